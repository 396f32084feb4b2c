"""How arrays lie elsewhere whose outputs are kept head by head, or whose axes stand in another order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo_spec.foreign.transforms import Arrays, Shape, Shapes, Transform


@dataclass(frozen=True)
class Chain:
    """One transform of what another reads: ``outer`` is what the file has around it."""

    outer: Transform
    inner: Transform

    def read(self, foreign: Arrays) -> Arrays:
        """Both, the outer first."""
        return self.inner.read(self.outer.read(foreign))

    def write(self, canonical: Arrays) -> Arrays:
        """Both, the inner first."""
        return self.outer.write(self.inner.write(canonical))

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """As ``read``."""
        return self.inner.read_shapes(self.outer.read_shapes(foreign))

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """As ``write``."""
        return self.outer.write_shapes(self.inner.write_shapes(canonical))


@dataclass(frozen=True)
class IntoHeads:
    """Projections into heads, ``[in, heads, size]`` elsewhere, and their biases, ``[heads, size]``."""

    heads: int

    def read(self, foreign: Arrays) -> Arrays:
        """To ``[heads * size, in]``, or ``[heads * size]``."""
        self.read_shapes(tuple(array.shape for array in foreign))
        return tuple(array.reshape(*array.shape[:-2], -1).T for array in foreign)

    def write(self, canonical: Arrays) -> Arrays:
        """From ``[heads * size, in]``, or ``[heads * size]``."""
        return tuple(
            array.T.reshape(shape)
            for array, shape in zip(
                canonical, self.write_shapes(tuple(array.shape for array in canonical)), strict=True
            )
        )

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """With the heads and their sizes as one, in front."""
        for shape in foreign:
            if len(shape) not in (2, 3) or shape[-2] != self.heads:
                raise ValueError(f"has the shape {list(shape)}, which is not that of {self.heads} heads")
        return tuple((shape[-2] * shape[-1], *shape[:-2]) for shape in foreign)

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """With the heads and their sizes apart, at the end."""
        return tuple((*shape[1:], self.heads, _share(shape[0], self.heads)) for shape in canonical)


@dataclass(frozen=True)
class OutOfHeads:
    """Projections of what heads give, ``[heads, size, out]`` elsewhere."""

    heads: int

    def read(self, foreign: Arrays) -> Arrays:
        """To ``[out, heads * size]``."""
        self.read_shapes(tuple(array.shape for array in foreign))
        return tuple(array.reshape(-1, array.shape[-1]).T for array in foreign)

    def write(self, canonical: Arrays) -> Arrays:
        """From ``[out, heads * size]``."""
        shapes = self.write_shapes(tuple(array.shape for array in canonical))
        return tuple(array.T.reshape(shape) for array, shape in zip(canonical, shapes, strict=True))

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """With the heads and their sizes as one, at the end."""
        for shape in foreign:
            if len(shape) != 3 or shape[0] != self.heads:
                raise ValueError(f"has the shape {list(shape)}, which is not that of {self.heads} heads")
        return tuple((shape[2], shape[0] * shape[1]) for shape in foreign)

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """With the heads and their sizes apart, in front."""
        return tuple((self.heads, _share(shape[1], self.heads), shape[0]) for shape in canonical)


@dataclass(frozen=True)
class Turned:
    """Arrays whose axes stand in another order elsewhere: ours are these of theirs."""

    axes: tuple[int, ...]

    def read(self, foreign: Arrays) -> Arrays:
        """In our order."""
        self.read_shapes(tuple(array.shape for array in foreign))
        return tuple(array.transpose(self.axes) for array in foreign)

    def write(self, canonical: Arrays) -> Arrays:
        """In theirs."""
        return tuple(array.transpose(np.argsort(self.axes)) for array in canonical)

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """In our order."""
        return tuple(self._turned(shape, self.axes) for shape in foreign)

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """In theirs."""
        return tuple(self._turned(shape, tuple(np.argsort(self.axes).tolist())) for shape in canonical)

    def _turned(self, shape: Shape, axes: tuple[int, ...]) -> Shape:
        if len(shape) != len(self.axes):
            raise ValueError(f"has the shape {list(shape)}, and {len(self.axes)} sizes are expected")
        return tuple(shape[axis] for axis in axes)


@dataclass(frozen=True)
class WithoutFirstRows:
    """Tables whose first ``rows``, which no input uses, are cut off elsewhere; here they are zeros."""

    rows: int

    def read(self, foreign: Arrays) -> Arrays:
        """With the rows, of zeros."""
        return tuple(
            np.concatenate([np.zeros((self.rows, *array.shape[1:]), array.dtype), array]) for array in foreign
        )

    def write(self, canonical: Arrays) -> Arrays:
        """Without them."""
        return tuple(array[self.rows :] for array in canonical)

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """With the rows."""
        return tuple((shape[0] + self.rows, *shape[1:]) for shape in foreign)

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """Without them."""
        return tuple((shape[0] - self.rows, *shape[1:]) for shape in canonical)


HWIO = Turned((3, 2, 0, 1))
"""Kernels of convolutions that are ``[height, width, in, out]`` elsewhere, and ``[out, in, height, width]`` here."""


def _share(size: int, heads: int) -> int:
    if size % heads:
        raise ValueError(f"has {size} outputs, which is no multiple of {heads} heads")
    return size // heads
