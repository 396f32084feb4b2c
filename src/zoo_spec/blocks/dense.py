"""An affine map of the last dimension."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_features
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer, Zeros
from zoo_spec.parameters import Parameter


class Dense(Block):
    """``y = x W^T + b`` over the last dimension: ``[..., in]`` to ``[..., size]``."""

    kind: Literal["dense"] = "dense"
    last_product: ClassVar[str | None] = ""
    size: PositiveInt
    """Width of the output."""
    bias: bool = True
    """Whether a bias is added."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the weight; the bias starts at zero."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[..., in]`` to ``[..., size]``."""
        x = inputs["x"]
        require_features(x)
        return {"x": x.with_width(self.size, "features")}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [size, in]`` and ``bias [size]``."""
        table = {"weight": Parameter((self.size, inputs["x"].width), self.initializer, "weight")}
        if self.bias:
            table["bias"] = Parameter((self.size,), Zeros(), "bias")
        return table

    def cost(self, inputs: Inputs) -> Cost:
        """One matrix product; its input is kept."""
        x = inputs["x"]
        return Cost(flops=2 * x.elements * self.size, kernels=1, saved=x.elements)
