"""Tensors as the spec layer sees them: a shape by named dimensions, a dtype, and whether they may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

Dimension = int | str
"""A known size is an int; an open one is the name of a dimension, such as ``batch`` or ``sequence``."""

FLOAT = "float"
FLOAT32 = "float32"
INT = "int32"


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's shape, dtype and optionality.

    ``shape`` is a tuple of int or dimension name. ``dtype`` is ``"float"`` (the model's compute dtype),
    ``"float32"`` (at least float32, whatever the compute dtype: losses) or ``"int32"``. ``axes`` names
    each position for people; shapes are compared without it.
    """

    shape: tuple[Dimension, ...]
    dtype: str = FLOAT
    optional: bool = False
    axes: tuple[str, ...] = field(default=(), compare=False)
    description: str = field(default="", compare=False)

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def width(self) -> int:
        """The last dimension's size, which must be known."""
        size = self.shape[-1] if self.shape else "nothing"
        if not isinstance(size, int):
            raise ValueError(f"the last dimension of {self} is open, but its size must be known here")
        return size

    def with_width(self, size: Dimension, axis: str = "") -> TensorSpec:
        """The same tensor with another last dimension."""
        axes = (*self.named_axes[:-1], axis)
        return replace(self, shape=(*self.shape[:-1], size), axes=axes)

    def with_shape(self, *shape: Dimension, axes: tuple[str, ...] = ()) -> TensorSpec:
        """The same dtype and optionality in another shape."""
        return replace(self, shape=shape, axes=axes)

    @property
    def named_axes(self) -> tuple[str, ...]:
        """A name per position: the one given, else the open dimension's own, else nothing."""
        given = self.axes or ("",) * self.rank
        return tuple(
            name or (size if isinstance(size, str) else "")
            for name, size in zip(given, self.shape, strict=True)
        )

    def bind(self, sizes: Mapping[str, int]) -> TensorSpec:
        """The same tensor with open dimensions replaced by ``sizes``; unnamed ones stay open."""
        shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in self.shape)
        return replace(self, shape=shape, axes=self.named_axes)

    @property
    def elements(self) -> int:
        """Number of elements; every dimension must be known."""
        open_dimensions = [size for size in self.shape if isinstance(size, str)]
        if open_dimensions:
            raise ValueError(f"the size of {', '.join(open_dimensions)} is not known in {self}")
        return prod(int(size) for size in self.shape)

    @property
    def described(self) -> str:
        """The shape, and the dtype unless it is the model's own."""
        return str(self) if self.dtype == FLOAT else f"{self} {self.dtype}"

    def __str__(self) -> str:
        parts = [
            str(size) if not name or name == size else f"{name} {size}"
            for name, size in zip(self.named_axes, self.shape, strict=True)
        ]
        return f"[{', '.join(parts)}]"
