"""Feed-forward blocks: mixing along the features, position by position."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind, activation
from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer


class FeedForwardBlock(Block):
    """Widens each vector, applies an activation and narrows it again; keeps the shape ``[..., hidden]``."""

    role: ClassVar[str] = "feed_forward"
    size: PositiveInt
    """Inner width."""
    activation: ActivationKind
    """The activation's kind; GELU is gelu_erf or gelu_tanh."""
    bias: bool = True
    """Whether the projections have biases."""
    dropout: Rate = 0.0
    """Dropout rate of what goes into the last projection."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the projections."""
    outer_initializer: Initializer | None = None
    """Initial values of the last projection, where others than the rest's; null for the same."""

    inner: ClassVar[tuple[str, ...]] = ("inner",)

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        Dense(size=self.size).infer(inputs)
        return {"x": x}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """The inner projections, ``activation``, ``dropout`` and ``outer``."""
        x = inputs["x"]
        inner = Dense(size=self.size, bias=self.bias, initializer=self.initializer)
        wide = x.with_width(self.size)
        last = self.initializer if self.outer_initializer is None else self.outer_initializer
        return {
            **{name: (inner, {"x": x}) for name in self.inner},
            "activation": (activation(self.activation), {"x": wide}),
            "dropout": (Dropout(rate=self.dropout), {"x": wide}),
            "outer": (Dense(size=x.width, bias=self.bias, initializer=last), {"x": wide}),
        }


class FeedForward(FeedForwardBlock):
    """``outer(activation(inner(x)))`` (Vaswani et al., 2017, 3.3)."""

    kind: Literal["feed_forward"] = "feed_forward"


class GatedFeedForward(FeedForwardBlock):
    """``outer(activation(gate(x)) * inner(x))`` (Shazeer, 2020, GLU Variants Improve Transformer)."""

    kind: Literal["gated_feed_forward"] = "gated_feed_forward"
    inner: ClassVar[tuple[str, ...]] = ("gate", "inner")

    def cost(self, inputs: Inputs) -> Cost:
        """The product keeps both factors; the shared input is kept once."""
        x = inputs["x"]
        return Cost(saved=2 * x.elements // x.width * self.size - x.elements)
