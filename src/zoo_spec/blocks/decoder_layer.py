"""Layers of a decoder that reads a memory, post-norm and pre-norm, and a stack of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, Rate
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.cross_attention import CrossMixer
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.layer import Layer, stacked, sublayer
from zoo_spec.blocks.norm import Norm

MEMORY_PORTS = ("example_ids", "positions", "memory_example_ids")


class DecoderLayer(Block):
    """Attention, cross-attention, then feed-forward, each with a residual; keeps the shape of ``x``.

    Ports: ``x [batch, sequence, hidden]``, ``memory [batch, memory sequence, width]``, and the mixers' own.
    """

    role: ClassVar[str] = Layer.role
    required = ("x", "memory")
    optional = MEMORY_PORTS
    attention: SequenceMixer
    """What mixes the positions; in a decoder its mask is causal."""
    cross_attention: CrossMixer
    """What reads the memory."""
    feed_forward: FeedForwardBlock
    """What mixes the features."""
    norm: Norm
    """The norm, which each third has one of."""
    dropout: Rate = 0.0
    """Dropout rate of each third's output, before it is added."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        for block, block_inputs in self.children(inputs).values():
            block.infer(block_inputs)
        return {"x": inputs["x"]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``attention``, ``cross_attention``, ``feed_forward``, each with its ``_norm`` and ``_dropout``."""
        own = {port: spec for port, spec in inputs.items() if port in ("x", "example_ids", "positions")}
        return {
            **sublayer("attention", self.attention, own, self.norm, self.dropout),
            **sublayer(
                "cross_attention", self.cross_attention, cross_inputs(inputs), self.norm, self.dropout
            ),
            **sublayer("feed_forward", self.feed_forward, {"x": inputs["x"]}, self.norm, self.dropout),
        }


class PostNormDecoderLayer(DecoderLayer):
    """``x = norm(x + f(x))`` for attention, cross-attention, feed-forward (Vaswani et al., 2017, 3.1)."""

    kind: Literal["post_norm_decoder_layer"] = "post_norm_decoder_layer"


class PreNormDecoderLayer(DecoderLayer):
    """``x = x + f(norm(x))`` for attention, cross-attention, feed-forward (Xiong et al., 2020, figure 1b)."""

    kind: Literal["pre_norm_decoder_layer"] = "pre_norm_decoder_layer"


class DecoderStack(Block):
    """Decoder layers of one kind, one after the other, all reading one memory, then a last norm if one is given."""

    kind: Literal["decoder_stack"] = "decoder_stack"
    required = ("x", "memory")
    optional = MEMORY_PORTS
    layer: DecoderLayer
    """What each layer is; each has weights of its own."""
    num_layers: LayerCount
    """Number of layers."""
    norm: Norm | None = None
    """Norm after the last layer, which pre-norm layers need; null for none."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        return self.layer.infer(inputs)

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """``layers.0``, ``layers.1``, ... and ``norm``."""
        return stacked([self.layer], self.num_layers, self.norm, inputs)


def cross_inputs(inputs: Inputs) -> Inputs:
    """What a layer's cross-attention takes of what the layer is given."""
    ports = (*CrossMixer.required, *CrossMixer.optional)
    return {port: spec for port, spec in inputs.items() if port in ports}
