"""Attention whose scores are biased by the positions' distance, and the role that it plays."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids, require_sequence
from zoo_spec.blocks.cross_attention import products_cost, unscaled_projections, weights_spec
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.cost import Cost
from zoo_spec.initializers import Initializer, LecunNormal


class BiasedMixer(Block):
    """Mixes the positions of a row, told by a bias how far apart they are; all kinds share these ports.

    ``x [batch, sequence, hidden]``, ``position_bias [heads, sequence, sequence]``, ``example_ids
    [batch, sequence]``: a position sees those of its own example, left out, the whole row is one example.
    """

    role: ClassVar[str] = "biased_attention"
    required = ("x", "position_bias")
    optional = ("example_ids",)

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        x, bias = inputs["x"], inputs["position_bias"]
        require_sequence(x)
        require_ids(inputs, "example_ids", shape=x.shape[:2])
        if bias.rank != 3 or bias.shape[1:] != (x.shape[1], x.shape[1]):
            raise ShapeError("needs position_bias [heads, sequence, sequence]")
        return {"x": x}


class RelativeAttention(BiasedMixer):
    """T5's attention: no scale, a bias for each head and distance (Raffel et al., 2020, 2.1)."""

    kind: Literal["relative_attention"] = "relative_attention"
    num_heads: PositiveInt
    """Number of heads."""
    head_size: PositiveInt
    """Width of a head."""
    mask: Literal["bidirectional", "causal"] = "bidirectional"
    """Whether a position sees its whole example or only what is not after it."""
    bias: bool = False
    """Whether the four projections have biases."""
    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    initializer: Initializer = LecunNormal()
    """Initial values of the projections but the query's, which start smaller by the root of the head's width."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        outputs = super().infer(inputs)
        heads = inputs["position_bias"].shape[0]
        if heads != self.num_heads:
            raise ShapeError(f"has {self.num_heads} heads, and position_bias is for {heads}")
        return outputs

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``query``, ``key``, ``value``, ``project`` and ``dropout``."""
        x = inputs["x"]
        return {
            **unscaled_projections(
                self.num_heads * self.head_size,
                x,
                x,
                head_size=self.head_size,
                bias=self.bias,
                initializer=self.initializer,
            ),
            "dropout": (Dropout(rate=self.dropout), {"x": weights_spec(inputs, self.num_heads)}),
        }

    def cost(self, inputs: Inputs) -> Cost:
        """Two batched products, as ``products_cost`` says."""
        return products_cost(inputs, self.num_heads, self.num_heads * self.head_size, dropout=self.dropout)
