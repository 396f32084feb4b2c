"""Transformer layers, post-norm and pre-norm, and a stack of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, Rate
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.norm import Norm


class Layer(Block):
    """Attention, then feed-forward, each with a residual; keeps the shape ``[batch, sequence, hidden]``."""

    role: ClassVar[str] = "layer"
    optional = ("example_ids", "positions")
    attention: SequenceMixer
    """What mixes the positions."""
    feed_forward: FeedForwardBlock
    """What mixes the features."""
    norm: Norm
    """The norm, which each half has one of."""
    dropout: Rate = 0.0
    """Dropout rate of each half's output, before it is added."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        for block, block_inputs in self.children(inputs).values():
            block.infer(block_inputs)
        return {"x": inputs["x"]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``attention``, ``attention_norm``, ``feed_forward``, ``feed_forward_norm``, ``dropout``."""
        x = {"x": inputs["x"]}
        return {
            "attention": (self.attention, inputs),
            "attention_dropout": (Dropout(rate=self.dropout), x),
            "attention_norm": (self.norm, x),
            "feed_forward": (self.feed_forward, x),
            "feed_forward_dropout": (Dropout(rate=self.dropout), x),
            "feed_forward_norm": (self.norm, x),
        }


class PostNormLayer(Layer):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))`` (Vaswani et al., 2017, 3.1)."""

    kind: Literal["post_norm_layer"] = "post_norm_layer"


class PreNormLayer(Layer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Xiong et al., 2020, figure 1b)."""

    kind: Literal["pre_norm_layer"] = "pre_norm_layer"


class Stack(Block):
    """Layers of one kind, one after the other, then a last norm if one is given."""

    kind: Literal["stack"] = "stack"
    optional = ("example_ids", "positions")
    layer: Layer
    """What each layer is; each has weights of its own."""
    num_layers: LayerCount
    """Number of layers."""
    norm: Norm | None = None
    """Norm after the last layer, which pre-norm layers need; null for none."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        return self.layer.infer(inputs)

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``layers.0``, ``layers.1``, ... and ``norm``."""
        layers: dict[str, tuple[Block, Inputs]] = {
            f"layers.{index}": (self.layer, inputs) for index in range(self.num_layers)
        }
        return layers if self.norm is None else {**layers, "norm": (self.norm, {"x": inputs["x"]})}
