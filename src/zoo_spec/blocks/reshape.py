"""Blocks that move values without computing: flatten, concatenate, and the sum that joins branches."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Literal

from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_known
from zoo_spec.tensors import TensorSpec


class Flatten(Block):
    """``[batch, ...]`` to ``[batch, features]``, the last dimension running fastest, in both frameworks."""

    kind: Literal["flatten"] = "flatten"

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, product of the rest]``."""
        x = inputs["x"]
        if x.rank < 2:
            raise ShapeError("needs at least two dimensions, [batch, ...]")
        require_known(x, *range(1, x.rank))
        size = prod(int(size) for size in x.shape[1:])
        return {"x": x.with_shape(x.shape[0], size, axes=(x.named_axes[0], "features"))}


class Concatenate(Block):
    """Joins its inputs along the last dimension; all other dimensions must be equal."""

    kind: Literal["concatenate"] = "concatenate"
    required = ()
    variadic: ClassVar[bool] = True

    def infer(self, inputs: Inputs) -> Outputs:
        """``[..., sum of the widths]``."""
        specs = _several(inputs)
        for spec in specs:
            require_known(spec, -1)
            if spec.shape[:-1] != specs[0].shape[:-1]:
                raise ShapeError("needs inputs that agree in every dimension but the last")
        width = sum(spec.width for spec in specs)
        return {"x": specs[0].with_width(width, specs[0].named_axes[-1])}


class Add(Block):
    """Adds its inputs, which must have one shape; nothing is broadcast."""

    kind: Literal["add"] = "add"
    required = ()
    variadic: ClassVar[bool] = True

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        specs = _several(inputs)
        if any(spec.shape != specs[0].shape for spec in specs):
            raise ShapeError("needs inputs of one shape")
        return {"x": specs[0]}


def _several(inputs: Inputs) -> list[TensorSpec]:
    specs = list(inputs.values())
    if len(specs) < 2:
        raise ShapeError("needs at least two inputs")
    if len({spec.dtype for spec in specs}) > 1:
        raise ShapeError("needs inputs of one dtype")
    return specs
