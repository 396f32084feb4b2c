"""Logits by the angle to learned vectors: how HuBERT says which unit a frame is of (Hsu et al., 2021, 2.3)."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import PositiveFloat, PositiveInt
from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.dense import Dense
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer, Uniform
from zoo_spec.parameters import Parameter


class CosineHead(Block):
    """``cos(dense(x), code) / temperature`` for each code: ``[..., features]`` to ``[..., units]`` (equation 3)."""

    kind: Literal["cosine_head"] = "cosine_head"
    units: PositiveInt
    """Number of codes."""
    size: PositiveInt = 256
    """Width of a code."""
    temperature: PositiveFloat = 0.1
    """What the cosine is divided by."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[..., units]``."""
        x = self.infer_child("dense", inputs)["x"]
        return {"logits": x.with_width(self.units, "units")}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``codes [units, size]``; their length does not matter."""
        return {"codes": Parameter((self.units, self.size), Uniform(limit=1.0), "embedding")}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dense``."""
        return {"dense": (Dense(size=self.size, initializer=self.initializer), inputs)}

    def cost(self, inputs: Inputs) -> Cost:
        """The product with the codes; what it is of is kept, as it was and of length 1."""
        vectors = inputs["x"].elements // inputs["x"].width
        return Cost(
            flops=2 * vectors * self.size * self.units,
            kernels=1,
            saved=vectors * self.size,
            wide=(vectors + self.units) * self.size,
        )
