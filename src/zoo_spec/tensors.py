"""Tensors as the spec layer sees them: a shape by named dimensions, a dtype, and whether they may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

Dimension = int | str
"""A known size is an int; an open one is the name of a dimension, such as ``batch`` or ``sequence``."""


class Windows(str):
    """An open dimension that follows from another: how many windows fit along it, overlapping or not.

    ``source`` is the dimension that it follows from; ``size`` a window's; ``stride`` the way from one to the next.
    """

    source: str
    size: int
    stride: int

    def __new__(cls, name: str, source: str, size: int, stride: int) -> Windows:
        """``name`` is what the dimension is called."""
        made = super().__new__(cls, name)
        made.source, made.size, made.stride = source, size, stride
        return made

    def __reduce__(self) -> tuple[type[Windows], tuple[str, str, int, int]]:
        return Windows, (str(self), self.source, self.size, self.stride)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Windows):
            return self.__reduce__() == other.__reduce__()
        return str(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def windows(self, size: int, stride: int) -> Windows:
        """The number of windows along this dimension, which are windows of the source too."""
        return Windows(str(self), self.source, self.size + (size - 1) * self.stride, self.stride * stride)

    def fitting(self, source: int) -> int:
        """How many there are where the source has this size; none where it is smaller than a window."""
        return max(0, (source - self.size) // self.stride + 1)


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
        """The same tensor with another last dimension; what it means is another, so that goes."""
        axes = (*self.named_axes[:-1], axis)
        return replace(self, shape=(*self.shape[:-1], size), axes=axes, description="")

    def with_shape(self, *shape: Dimension, axes: tuple[str, ...] = ()) -> TensorSpec:
        """The same dtype and optionality in another shape."""
        return replace(self, shape=shape, axes=axes, description="")

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
        shape = tuple(_bound(size, sizes) for size in self.shape)
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


def _bound(size: Dimension, sizes: Mapping[str, int]) -> Dimension:
    if isinstance(size, Windows):
        return size.fitting(sizes[size.source]) if size.source in sizes else size
    return sizes.get(size, size) if isinstance(size, str) else size
