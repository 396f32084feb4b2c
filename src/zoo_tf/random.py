"""``zoo_spec.random`` in TensorFlow's integer operations, bit for bit the same; see there for the generator.

Words are uint32, whose sums wrap around. A key is two numbers or two int64 scalars, so that a step number can
be folded in while a compiled graph runs.
"""

from __future__ import annotations

import math

import tensorflow as tf

from zoo_spec.random import FOLD, PARITY, ROTATIONS, ROUNDS, WORD, dropout_threshold

Word = int | tf.Tensor
Key = tuple[Word, Word]


def threefry2x32(
    key0: Word, key1: Word, counter0: tf.Tensor, counter1: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The two words, as uint32, of the block ``(counter0, counter1)`` under the key."""
    keys = (_word(key0), _word(key1), _word(key0) ^ _word(key1) ^ _word(PARITY))
    x0 = counter0 + keys[0]
    x1 = counter1 + keys[1]
    for step in range(ROUNDS):
        rotation = ROTATIONS[step % 8]
        x0 = x0 + x1
        low_bits = tf.bitwise.right_shift(x1, _word(32 - rotation))
        x1 = (tf.bitwise.left_shift(x1, _word(rotation)) | low_bits) ^ x0
        if step % 4 == 3:
            injection = step // 4 + 1
            x0 = x0 + keys[injection % 3]
            x1 = x1 + (keys[(injection + 1) % 3] + _word(injection))
    return x0, x1


def fold_in(key: Key, number: Word) -> Key:
    """The key, as two int64 scalars, for ``number`` (a step, a layer; at least 0) under ``key``."""
    wide = tf.convert_to_tensor(number, tf.int64)
    x0, x1 = threefry2x32(
        key[0], key[1], _word(wide), _word(tf.bitwise.right_shift(wide, tf.constant(32, tf.int64)) | FOLD)
    )
    return _unsigned(x0), _unsigned(x1)


def bits(key: Key, count: int | tf.Tensor) -> tf.Tensor:
    """The first ``count`` (at most 2**32) words of the key's sequence, int64 from 0 to 2**32 - 1."""
    return _unsigned(_words(key, count))


def dropout_mask(
    key: Key, shape: tuple[int, ...] | tf.Tensor, rate: float, offset: int | tf.Tensor = 0
) -> tf.Tensor:
    """True where an element is kept; ``shape`` may be a tensor, such as ``tf.shape(x)``.

    Its words are those from ``offset`` on, where the tensor is a part of a larger one.
    """
    count = tf.reduce_prod(shape) if tf.is_tensor(shape) else math.prod(shape)
    words = _words(key, count, offset)
    return tf.reshape(words >= _word(dropout_threshold(rate)), shape)


def _words(key: Key, count: int | tf.Tensor, offset: int | tf.Tensor = 0) -> tf.Tensor:
    """``count`` words from ``offset`` on, as uint32."""
    return _drawn(_word(key[0]), _word(key[1]), tf.cast(count, tf.int64), tf.cast(offset, tf.int64))


# A function of the graph that every mask calls: written out at each of them, the rounds are most of a step with many
# dropouts, to trace and to optimize.
@tf.function(
    input_signature=[tf.TensorSpec((), dtype) for dtype in (tf.uint32, tf.uint32, tf.int64, tf.int64)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _drawn(key0: tf.Tensor, key1: tf.Tensor, count: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    skipped = offset % 2
    blocks = _word(tf.range((count + skipped + 1) // 2) + offset // 2)
    words = tf.stack(threefry2x32(key0, key1, blocks, tf.zeros_like(blocks)), -1)
    return tf.reshape(words, [-1])[skipped : skipped + count]


def _word(value: Word) -> tf.Tensor:
    """The low 32 bits of a number, as uint32."""
    if tf.is_tensor(value):
        return tf.cast(tf.cast(value, tf.int64) & WORD, tf.uint32)
    return tf.constant(value & WORD, tf.uint32)


def _unsigned(words: tf.Tensor) -> tf.Tensor:
    """uint32 words as int64 from 0 to 2**32 - 1."""
    return tf.cast(words, tf.int64)
