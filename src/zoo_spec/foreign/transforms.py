"""How tensors of another project become ours and ours theirs: exactly, both ways, and their shapes without values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from zoo_spec.arrays import Array

Arrays: TypeAlias = tuple[Array, ...]
Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = tuple[Shape, ...]


class Transform(Protocol):
    """What turns the arrays of one entry into each other; each direction undoes the other exactly.

    Arrays and shapes stand in the entry's order. What is given may come back as a view. Where shapes do not allow it
    every method raises ValueError, which says what they are: ``has 7 outputs, which is no multiple of 3``.
    """

    def read(self, foreign: Arrays) -> Arrays:
        """Foreign arrays to canonical ones."""
        ...

    def write(self, canonical: Arrays) -> Arrays:
        """Canonical arrays to foreign ones."""
        ...

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """The shapes of what ``read`` gives."""
        ...

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """The shapes of what ``write`` gives."""
        ...


class Same:
    """Another name, the same arrays."""

    def read(self, foreign: Arrays) -> Arrays:
        """As they are."""
        return foreign

    def write(self, canonical: Arrays) -> Arrays:
        """As they are."""
        return canonical

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """As they are."""
        return foreign

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """As they are."""
        return canonical


class Transpose:
    """Matrices stored ``[in, out]`` elsewhere; vectors, such as their biases, stay."""

    def read(self, foreign: Arrays) -> Arrays:
        """``[in, out]`` to ``[out, in]``."""
        return tuple(array.T for array in foreign)

    def write(self, canonical: Arrays) -> Arrays:
        """``[out, in]`` to ``[in, out]``."""
        return self.read(canonical)

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """Turned round."""
        return tuple(shape[::-1] for shape in foreign)

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """Turned round."""
        return self.read_shapes(canonical)


SAME, TRANSPOSE = Same(), Transpose()


@dataclass(frozen=True)
class Fused:
    """``parts`` weights, or biases, that are one elsewhere, one after the other along the outputs.

    With ``heads``, each head's share of every part comes before the next head's. ``transposed``: ``[in, out]``.
    """

    parts: int
    heads: int = 1
    transposed: bool = False

    def read(self, foreign: Arrays) -> Arrays:
        """One array to its parts."""
        (array,) = foreign
        self.read_shapes((array.shape,))
        array = array.T if self.transposed else array
        size = len(array) // (self.heads * self.parts)
        split = array.reshape(self.heads, self.parts, size, *array.shape[1:])
        return tuple(
            split[:, part].reshape(self.heads * size, *array.shape[1:]) for part in range(self.parts)
        )

    def write(self, canonical: Arrays) -> Arrays:
        """The parts to one array."""
        shares = [array.reshape(self.heads, -1, *array.shape[1:]) for array in canonical]
        joined = np.concatenate(shares, axis=1).reshape(-1, *canonical[0].shape[1:])
        return (joined.T if self.transposed else joined,)

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """One shape to that of each part."""
        (shape,) = foreign
        shape = shape[::-1] if self.transposed else shape
        if not shape:
            raise ValueError("is a single number")
        if shape[0] % (self.heads * self.parts):
            raise ValueError(f"has {shape[0]} outputs, which is no multiple of {self.heads * self.parts}")
        return ((shape[0] // self.parts, *shape[1:]),) * self.parts

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """The parts' shapes to one."""
        joined = (sum(shape[0] for shape in canonical), *canonical[0][1:])
        return (joined[::-1] if self.transposed else joined,)


class WithoutBatch:
    """Tables that are kept with a leading dimension of 1 elsewhere."""

    def read(self, foreign: Arrays) -> Arrays:
        """``[1, ...]`` to ``[...]``."""
        return tuple(
            array.reshape(shape)
            for array, shape in zip(
                foreign, self.read_shapes(tuple(each.shape for each in foreign)), strict=True
            )
        )

    def write(self, canonical: Arrays) -> Arrays:
        """``[...]`` to ``[1, ...]``."""
        return tuple(array[np.newaxis] for array in canonical)

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """Without the first."""
        for shape in foreign:
            if shape[:1] != (1,):
                raise ValueError(f"has the shape {list(shape)}, whose first size is not 1")
        return tuple(shape[1:] for shape in foreign)

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """With a first one of 1."""
        return tuple((1, *shape) for shape in canonical)
