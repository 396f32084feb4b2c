"""Random numbers that are the same everywhere: Threefry-2x32-20 (Salmon et al., "Parallel Random Numbers:
As Easy as 1, 2, 3", SC 2011), a pure function of a key and a counter.

It adds, rotates and xors 32-bit words and nothing else, so ``zoo_torch.random`` and ``zoo_tf.random`` draw
the same bits inside their own graphs. A key either draws (``bits``, ``dropout_mask``, ``Stream``) or makes
further keys (``fold_in``); drawing twice with one key gives the same twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Key = tuple[int, int]
"""Two unsigned 32-bit words."""

Path = tuple[int | str, ...]
"""What a key is derived for."""

WORD = 0xFFFFFFFF
PARITY = 0x1BD11BDA
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
ROUNDS = 20
FOLD = 0x80000000
"""Set in the high counter word by ``fold_in``: no key made by folding repeats bits that were drawn."""

_JSON = json.JSONEncoder(separators=(",", ":")).encode
_CHUNK = 1 << 15  # blocks; the working arrays then stay in a core's own cache


def threefry2x32(
    key0: ArrayLike, key1: ArrayLike, counter0: ArrayLike, counter1: ArrayLike
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The two words of the block ``(counter0, counter1)`` under the key, elementwise, broadcast together.

    All four hold unsigned 32-bit values. The result has at least one dimension.
    """
    words = [np.atleast_1d(np.asarray(word, np.uint32)) for word in (key0, key1, counter0, counter1)]
    shape = np.broadcast_shapes(*(word.shape for word in words))
    keys = (words[0], words[1], words[0] ^ words[1] ^ np.uint32(PARITY))
    x0 = np.broadcast_to(words[2], shape) + keys[0]
    x1 = np.broadcast_to(words[3], shape) + keys[1]
    low_bits = np.empty_like(x1)
    for step in range(ROUNDS):
        rotation = ROTATIONS[step % 8]
        x0 += x1
        np.right_shift(x1, np.uint32(32 - rotation), out=low_bits)
        x1 <<= np.uint32(rotation)
        x1 |= low_bits
        x1 ^= x0
        if step % 4 == 3:
            injection = step // 4 + 1
            x0 += keys[injection % 3]
            x1 += keys[(injection + 1) % 3] + np.uint32(injection)
    return x0, x1


def derive_key(seed: int, *path: int | str) -> Key:
    """The key for what ``path`` names under ``seed``; other seeds or paths give unrelated keys.

    ``("a", 1)``, ``("a", "1")`` and ``("a1",)`` are three different paths.
    """
    parts = [part if isinstance(part, str) else operator.index(part) for part in (seed, *path)]
    digest = hashlib.sha256(_JSON(parts).encode("ascii")).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def fold_in(key: Key, number: int) -> Key:
    """The key for ``number`` (a step, a layer; at least 0, below 2**63) under ``key``."""
    low, high = fold_in_each(np.array([key], np.uint32), number)[0]
    return int(low), int(high)


def fold_in_each(keys: NDArray[np.uint32], number: int) -> NDArray[np.uint32]:
    """``fold_in`` of each row of ``keys``, ``[keys, 2]``, in one call, which costs little more than one key's."""
    if not 0 <= number < 1 << 63:
        raise ValueError(f"only numbers from 0 to 2**63 - 1 can be folded into a key, not {number}")
    return np.stack(threefry2x32(keys[:, 0], keys[:, 1], number & WORD, number >> 32 | FOLD), axis=-1)


def bits(key: Key, count: int, offset: int = 0) -> NDArray[np.uint32]:
    """Values ``offset`` to ``offset + count - 1`` of the key's sequence of 32-bit words.

    Value ``i`` is word ``i % 2`` of the block whose counter is ``i // 2`` (low word, high word).
    """
    first, last = offset // 2, (offset + count + 1) // 2
    out = np.empty((last - first, 2), np.uint32)
    for start in range(first, last, _CHUNK):
        blocks = np.arange(start, min(start + _CHUNK, last), dtype=np.uint64)
        counters = blocks.astype("<u8", copy=False).view("<u4").reshape(-1, 2)  # low word, high word
        rows = slice(start - first, start - first + len(blocks))
        out[rows, 0], out[rows, 1] = threefry2x32(key[0], key[1], counters[:, 0], counters[:, 1])
    skip = offset - 2 * first
    return out.reshape(-1)[skip : skip + count]


def _words_of(keys: Sequence[Key], words: int) -> NDArray[np.uint32]:
    """The first ``words`` words of each key's sequence, rounded up to an even number, ``[keys, words]``."""
    each = np.array(keys, np.uint32).reshape(-1, 2, 1)
    counters = np.arange((words + 1) // 2, dtype=np.uint32)
    out = np.empty((len(keys), len(counters), 2), np.uint32)
    rows = max(1, _CHUNK // max(1, len(counters)))
    for start in range(0, len(keys), rows):
        part = each[start : start + rows]
        drawn = out[start : start + rows]
        drawn[..., 0], drawn[..., 1] = threefry2x32(part[:, 0], part[:, 1], counters, 0)
    return out.reshape(len(keys), -1)


def dropout_mask(key: Key, shape: tuple[int, ...], rate: float, offset: int = 0) -> NDArray[np.bool_]:
    """True where an element is kept: where its 32 bits, taken in row-major order, reach the threshold.

    Of a part of a larger tensor, the rows from one on, ``offset`` is the number of values before it.
    """
    return (bits(key, math.prod(shape), offset) >= dropout_threshold(rate)).reshape(shape)


def dropout_threshold(rate: float) -> int:
    """``floor(rate * 2**32)``, the smallest 32-bit value that is kept; ``rate`` is in [0, 1)."""
    if not 0 <= rate < 1:
        raise ValueError(f"a dropout rate is at least 0 and below 1, not {rate}")
    return math.floor(rate * 2**32)


class Stream:
    """A sequence of draws under ``derive_key(seed, *path)``, for everything random outside the models.

    What is drawn depends on the seed, the path and the draws before it alone. Drawing ``n`` numbers at once
    gives the same as drawing one ``n`` times.
    """

    def __init__(self, seed: int, *path: int | str) -> None:
        self._key = derive_key(seed, *path)
        self._position = 0
        self._ahead = np.empty(0, np.uint32)
        self._ahead_start = 0

    @classmethod
    def several(cls, seed: int, paths: Sequence[Path], words: int) -> list[Stream]:
        """A stream a path, the first ``words`` words of each drawn in one call, which costs little more than one.

        What they give is what streams made one by one give.
        """
        streams = [cls(seed, *path) for path in paths]
        drawn = _words_of([stream._key for stream in streams], words)
        for stream, ahead in zip(streams, drawn, strict=True):
            stream._ahead = ahead
        return streams

    @staticmethod
    def several_uniforms(seed: int, paths: Sequence[Path], count: int) -> NDArray[np.float64]:
        """The first ``count`` numbers of ``uniforms`` of a stream a path, ``[paths, count]``."""
        words = _words_of([derive_key(seed, *path) for path in paths], 2 * count)
        high, low = words[:, 0::2].astype(np.uint64), words[:, 1::2]
        return ((high << np.uint64(32) | low) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integer(self, high: int) -> int:
        """One integer from 0 to ``high - 1``, each equally likely; ``high`` is at most 2**63."""
        return int(self.integers(high, 1)[0])

    def integers(self, high: int, count: int) -> NDArray[np.int64]:
        """``count`` integers from 0 to ``high - 1``; draws past the last multiple of ``high`` are dropped."""
        if not 1 <= high <= 1 << 63:
            raise ValueError(f"the bound of a random integer is from 1 to 2**63, not {high}")
        wide = high > 1 << 32
        highest = np.uint64(((1 << (64 if wide else 32)) // high) * high - 1)
        out = np.empty(count, np.int64)
        done = 0
        while done < count:
            drawn = self._pairs(count - done) if wide else self._words(count - done).astype(np.uint64)
            kept = drawn[drawn <= highest] % np.uint64(high)
            out[done : done + len(kept)] = kept
            done += len(kept)
        return out

    def uniform(self) -> float:
        """One float64 in [0, 1), a multiple of 2**-53."""
        return float(self.uniforms(1)[0])

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """``count`` float64 in [0, 1), multiples of 2**-53."""
        return (self._pairs(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def permutation(self, n: int) -> NDArray[np.int64]:
        """The integers from 0 to ``n - 1`` in random order: a stable sort of 64-bit draws."""
        return np.argsort(self._pairs(n), kind="stable").astype(np.int64)

    def sample(self, n: int, k: int) -> NDArray[np.int64]:
        """``k`` distinct integers from 0 to ``n - 1`` in random order: ``k`` steps of Fisher-Yates."""
        if not 0 <= k <= n:
            raise ValueError(f"cannot choose {k} distinct integers out of {n}")
        moved: dict[int, int] = {}
        out = np.empty(k, np.int64)
        for i in range(k):
            j = i + self.integer(n - i)
            out[i] = moved.get(j, j)
            moved[j] = moved.get(i, i)
        return out

    def _words(self, count: int) -> NDArray[np.uint32]:
        """The next ``count`` words; short requests are served from a buffer drawn ahead."""
        start = self._position - self._ahead_start
        if start + count > len(self._ahead):
            # A call costs as much as some thousand words, so grow from 256 with the use that is made of it.
            self._ahead = bits(self._key, max(count, min(256 + self._position, 1 << 15)), self._position)
            self._ahead_start, start = self._position, 0
        self._position += count
        return self._ahead[start : start + count]

    def _pairs(self, count: int) -> NDArray[np.uint64]:
        """The next ``count`` 64-bit values, the high word first."""
        words = self._words(2 * count).astype(np.uint64).reshape(count, 2)
        return words[:, 0] << np.uint64(32) | words[:, 1]
