"""``zoo_spec.random`` in torch's integer operations, bit for bit the same; see there for the generator.

Words are int32, whose sums wrap around in torch on every device; on a CPU this is ten times as fast as int64
with masks. A key is two numbers or two int64 scalars, so that a step number can be folded in while a compiled
graph runs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo_spec.random import FOLD, PARITY, ROTATIONS, ROUNDS, WORD, dropout_threshold

Word = int | Tensor
Key = tuple[Word, Word]


def threefry2x32(key0: Word, key1: Word, counter0: Tensor, counter1: Tensor) -> tuple[Tensor, Tensor]:
    """The two words, as int32, of the block ``(counter0, counter1)`` under the key."""
    keys = (_word(key0), _word(key1), _word(key0) ^ _word(key1) ^ PARITY)
    x0 = counter0 + keys[0]
    x1 = counter1 + keys[1]
    for step in range(ROUNDS):
        rotation = ROTATIONS[step % 8]
        x0 = x0 + x1
        # An int32 is shifted right with its sign: the mask takes the copies of the sign away.
        low_bits = (x1 >> (32 - rotation)) & ((1 << rotation) - 1)
        x1 = ((x1 << rotation) | low_bits) ^ x0
        if step % 4 == 3:
            injection = step // 4 + 1
            x0 = x0 + keys[injection % 3]
            x1 = x1 + keys[(injection + 1) % 3] + injection
    return x0, x1


def fold_in(key: Key, number: Word) -> Key:
    """The key, as two int64 scalars, for ``number`` (a step, a layer; at least 0) under ``key``."""
    wide = torch.as_tensor(number, dtype=torch.int64)
    x0, x1 = threefry2x32(key[0], key[1], _word(wide), _word((wide >> 32) | FOLD))
    return _unsigned(x0), _unsigned(x1)


def bits(key: Key, count: int, device: torch.device | str | None = None) -> Tensor:
    """The first ``count`` (at most 2**32) words of the key's sequence, int64 from 0 to 2**32 - 1."""
    return _unsigned(_words(key, count, device))


def dropout_mask(
    key: Key,
    shape: tuple[int, ...],
    rate: float,
    device: torch.device | str | None = None,
    offset: int = 0,
) -> Tensor:
    """True where an element is kept; on ``device``, else where the key is, else torch's default.

    Its words are those from ``offset`` on, where the tensor is a part of a larger one.
    """
    words = _words(key, math.prod(shape), device, offset)
    # With the top bit flipped, signed words stand in the order of the unsigned.
    return ((words ^ _word(FOLD)) >= dropout_threshold(rate) - FOLD).reshape(shape)


def _words(key: Key, count: int, device: torch.device | str | None, offset: int = 0) -> Tensor:
    """``count`` words from ``offset`` on, as int32."""
    if device is None and isinstance(key[0], Tensor):
        device = key[0].device
    skipped = offset % 2
    blocks = torch.arange((count + skipped + 1) // 2, dtype=torch.int32, device=device)
    if offset:
        blocks = blocks + _word(offset // 2)
    words = torch.stack(threefry2x32(key[0], key[1], blocks, torch.zeros_like(blocks)), -1)
    # Not a slice: torch.export cannot prove, for an open size, that a slice of an odd count fits.
    chosen = torch.arange(skipped, count + skipped, dtype=torch.int32, device=device)
    return words.reshape(-1).index_select(0, chosen)


def _word(value: Word) -> Word:
    """The low 32 bits of a number, as int32 has them."""
    if isinstance(value, Tensor):
        return value.to(torch.int32)
    return ((value & WORD) ^ FOLD) - FOLD


def _unsigned(words: Tensor) -> Tensor:
    """int32 words as int64 from 0 to 2**32 - 1."""
    return words.to(torch.int64) & WORD
