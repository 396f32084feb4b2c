"""Squeeze-and-excitation (Hu et al., 2018): channels weighed by what the whole image shows."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.activation import activation
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_float, require_known, require_rank
from zoo_spec.blocks.dense import Dense
from zoo_spec.cost import Cost
from zoo_spec.initializers import HeNormal, Initializer
from zoo_spec.tensors import TensorSpec


class SqueezeExcitation(Block):
    """``x * sigmoid(expand(relu(reduce(mean of x over the image))))``; keeps ``[batch, height, width, channels]``."""

    kind: Literal["squeeze_excitation"] = "squeeze_excitation"
    ratio: PositiveInt = 16
    """By how much the channels are reduced inside; one is left at least."""
    initializer: Initializer = HeNormal()
    """Initial values of both weights; biases start at zero."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        require_rank(x, 4, "an image [batch, height, width, channels]")
        require_float(x)
        require_known(x, 3)
        return {"x": x}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``reduce``, ``activation``, ``expand`` and ``gate``."""
        x = inputs["x"]
        squeezed = TensorSpec((x.shape[0], x.width), x.dtype)
        size = max(1, x.width // self.ratio)
        reduced = squeezed.with_width(size)
        return {
            "reduce": (Dense(size=size, initializer=self.initializer), {"x": squeezed}),
            "activation": (activation("relu"), {"x": reduced}),
            "expand": (Dense(size=x.width, initializer=self.initializer), {"x": reduced}),
            "gate": (activation("sigmoid"), {"x": squeezed}),
        }

    def cost(self, inputs: Inputs) -> Cost:
        """The product keeps both of its factors; the gate is kept by itself."""
        return Cost(saved=inputs["x"].elements)
