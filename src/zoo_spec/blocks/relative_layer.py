"""Pre-norm layers whose attention is biased by distance, and stacks that hold the bias for all their layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.base import LayerCount, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.cross_attention import CrossMixer
from zoo_spec.blocks.decoder_layer import cross_inputs
from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.blocks.layer import Layer, sublayer
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.relative_attention import BiasedMixer
from zoo_spec.blocks.relative_position import PositionBias
from zoo_spec.blocks.stacked import Stacked

_BIASED = (*BiasedMixer.required, *BiasedMixer.optional)


class BiasedLayer(Block):
    """Attention with a position bias, then feed-forward, each with a residual; keeps the shape of ``x``."""

    role: ClassVar[str] = Layer.role
    required: ClassVar[tuple[str, ...]] = ("x", "position_bias")
    optional: ClassVar[tuple[str, ...]] = ("example_ids",)
    attention: BiasedMixer
    """What mixes the positions."""
    feed_forward: FeedForwardBlock
    """What mixes the features."""
    norm: Norm
    """The norm, which each part has one of."""
    dropout: Rate = 0.0
    """Dropout rate of each part's output, before it is added."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        for block, block_inputs in self.children(inputs).values():
            block.infer(block_inputs)
        return {"x": inputs["x"]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``attention`` and ``feed_forward``, each with its ``_norm`` and ``_dropout``."""
        own = {port: spec for port, spec in inputs.items() if port in _BIASED}
        return {
            **sublayer("attention", self.attention, own, self.norm, self.dropout),
            **sublayer("feed_forward", self.feed_forward, {"x": inputs["x"]}, self.norm, self.dropout),
        }


class RelativeLayer(BiasedLayer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Raffel et al., 2020, 2.1)."""

    kind: Literal["relative_layer"] = "relative_layer"


class RelativeDecoderLayer(BiasedLayer):
    """``x = x + f(norm(x))`` for attention, cross-attention and feed-forward (Raffel et al., 2020, 2.1)."""

    kind: Literal["relative_decoder_layer"] = "relative_decoder_layer"
    required = ("x", "memory", "position_bias")
    optional = ("example_ids", "memory_example_ids")
    cross_attention: CrossMixer
    """What reads the memory."""

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``attention``, ``cross_attention``, ``feed_forward``, each with its ``_norm`` and ``_dropout``."""
        parts = super().children(inputs)
        cross = sublayer(
            "cross_attention", self.cross_attention, cross_inputs(inputs), self.norm, self.dropout
        )
        return {
            **{name: part for name, part in parts.items() if name.startswith("attention")},
            **cross,
            **{name: part for name, part in parts.items() if name.startswith("feed_forward")},
        }


class RelativeStack(Block):
    """Layers of one kind that share a position bias, one after the other, then a norm."""

    kind: Literal["relative_stack"] = "relative_stack"
    optional = ("example_ids",)
    position: PositionBias
    """The bias, held once for all layers."""
    layer: RelativeLayer
    """What each layer is; each has weights of its own."""
    num_layers: LayerCount
    """Number of layers."""
    norm: Norm
    """Norm after the last layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        return self.layer.infer(_biased(self.position, inputs))

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """``position``, ``layers.0``, ``layers.1``, ... and ``norm``."""
        return _stacked(self.position, self.layer, self.num_layers, self.norm, inputs)


class RelativeDecoderStack(Block):
    """Decoder layers that share a position bias and read one memory, one after the other, then a norm."""

    kind: Literal["relative_decoder_stack"] = "relative_decoder_stack"
    required = ("x", "memory")
    optional = ("example_ids", "memory_example_ids")
    position: PositionBias
    """The bias, held once for all layers."""
    layer: RelativeDecoderLayer
    """What each layer is; each has weights of its own."""
    num_layers: LayerCount
    """Number of layers."""
    norm: Norm
    """Norm after the last layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        return self.layer.infer(_biased(self.position, inputs))

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """``position``, ``layers.0``, ``layers.1``, ... and ``norm``."""
        return _stacked(self.position, self.layer, self.num_layers, self.norm, inputs)


def _biased(position: PositionBias, inputs: Inputs) -> Inputs:
    return {**inputs, "position_bias": position.infer({"x": inputs["x"]})["bias"]}


def _stacked(
    position: PositionBias, layer: BiasedLayer, num_layers: int, norm: Norm, inputs: Inputs
) -> Stacked:
    x = {"x": inputs["x"]}
    before, after = {"position": (position, x)}, {"norm": (norm, x)}
    return Stacked([(layer, _biased(position, inputs))], num_layers, before=before, after=after)
