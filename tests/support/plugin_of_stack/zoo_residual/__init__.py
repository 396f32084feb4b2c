"""A stack of a user's own: residual layers of features, which know nothing of streaming, recomputing or replicas."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.activation import activation
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_float
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.norm import LayerNorm
from zoo_spec.blocks.stacked import Stacked
from zoo_spec.initializers import HeNormal


class ResidualLayer(Block):
    """``x + outer(relu(inner(norm(x))))``."""

    kind: Literal["residual_layer"] = "residual_layer"
    size: PositiveInt = 8
    """Width inside."""
    dropout: Rate = 0.0
    """Of what is added."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        require_float(inputs["x"])
        return {"x": inputs["x"]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``norm``, ``inner``, ``activation``, ``outer`` and ``dropout``."""
        x = {"x": inputs["x"]}
        inner = {"x": inputs["x"].with_width(self.size)}
        return {
            "norm": (LayerNorm(epsilon=1e-5), x),
            "inner": (Dense(size=self.size, initializer=HeNormal()), x),
            "activation": (activation("relu"), inner),
            "outer": (Dense(size=inputs["x"].width, initializer=HeNormal()), inner),
            "dropout": (Dropout(rate=self.dropout), x),
        }


class ResidualStack(Block):
    """Such layers, one after the other."""

    kind: Literal["residual_stack"] = "residual_stack"
    layer: ResidualLayer = ResidualLayer()
    """What each is."""
    num_layers: PositiveInt = 3
    """How many."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        return self.layer.infer(inputs)

    def children(self, inputs: Inputs) -> Stacked:
        """``layers.0`` and so on."""
        return Stacked([(self.layer, inputs)], self.num_layers)
