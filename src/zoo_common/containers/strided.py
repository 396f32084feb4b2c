"""Tensors that are views: values at an offset and so far apart along each axis, read in memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from zoo_spec.arrays import Array

_BLOCK = 16 << 20

Read = Callable[[int, int], Array]
"""So many values from an offset on, in one new array."""


def extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """How many values lie between the first of a view and its last, both among them."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


def lies_apart(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether no two values of a view are at one place, but for axes that repeat all there is (of stride 0)."""
    filled = 1
    axes = zip(strides, shape, strict=True)
    for stride, size in sorted((stride, size) for stride, size in axes if size > 1 and stride):
        if stride < filled:
            return False
        filled += stride * (size - 1)
    return True


def read_view(read: Read, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """The values of a view that lie apart, in whatever order; at most 16 MiB are read beside them.

    A view that leaves out none, a transposed matrix say, is given in the order of the file, with no copy.
    """
    span = extent(shape, strides)
    repeats = any(size > 1 and not stride for size, stride in zip(shape, strides, strict=True))
    if span == prod(shape) and not repeats:
        return _strided(read(offset, span), shape, strides)
    whole = np.empty(shape, read(offset, 0).dtype)
    _fill(whole, read, offset, strides)
    return whole


def _fill(into: Array, read: Read, offset: int, strides: tuple[int, ...]) -> None:
    span = extent(into.shape, strides)
    if span * into.itemsize <= _BLOCK:
        into[...] = _strided(read(offset, span), into.shape, strides)
        return
    axis = max((a for a in range(into.ndim) if into.shape[a] > 1), key=lambda a: strides[a])
    step = max(1, _BLOCK // (into.itemsize * strides[axis]))
    for first in range(0, into.shape[axis], step):
        part = into[(slice(None),) * axis + (slice(first, first + step),)]
        _fill(part, read, offset + first * strides[axis], strides)


def _strided(flat: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    return as_strided(flat, shape, tuple(stride * flat.itemsize for stride in strides))
