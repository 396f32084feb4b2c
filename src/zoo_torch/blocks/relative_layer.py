"""Pre-norm layers whose attention is biased by distance, and stacks that hold the bias for all their layers."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import relative_layer as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.decoder_layer import DecoderLayer
from zoo_torch.blocks.layer import TwoNormLayer, layers, parts


class RelativeLayer(TwoNormLayer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Raffel et al., 2020, 2.1)."""

    def forward(self, x: Tensor, position_bias: Tensor, *, example_ids: Tensor | None = None) -> Tensor:
        mixed = self.attention(self.attention_norm(x), position_bias, example_ids=example_ids)
        x = x + self.attention_dropout(mixed)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class RelativeDecoderLayer(DecoderLayer):
    """``x = x + f(norm(x))`` for attention, cross-attention and feed-forward (Raffel et al., 2020, 2.1)."""

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        position_bias: Tensor,
        *,
        example_ids: Tensor | None = None,
        memory_example_ids: Tensor | None = None,
    ) -> Tensor:
        mixed = self.attention(self.attention_norm(x), position_bias, example_ids=example_ids)
        x = x + self.attention_dropout(mixed)
        read = self.cross_attention(
            self.cross_attention_norm(x),
            memory,
            example_ids=example_ids,
            memory_example_ids=memory_example_ids,
        )
        x = x + self.cross_attention_dropout(read)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class RelativeStack(nn.Module):
    """Layers of one kind that share a position bias, one after the other, then a norm."""

    def __init__(self, *, position: nn.Module, layers: list[nn.Module], norm: nn.Module) -> None:
        super().__init__()
        self.position = position
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def forward(self, x: Tensor, *, example_ids: Tensor | None = None) -> Tensor:
        position_bias = self.position(x)
        for layer in self.layers:
            x = layer(x, position_bias, example_ids=example_ids)
        return self.norm(x)


class RelativeDecoderStack(nn.Module):
    """Decoder layers that share a position bias and read one memory, one after the other, then a norm."""

    def __init__(self, *, position: nn.Module, layers: list[nn.Module], norm: nn.Module) -> None:
        super().__init__()
        self.position = position
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        example_ids: Tensor | None = None,
        memory_example_ids: Tensor | None = None,
    ) -> Tensor:
        position_bias = self.position(x)
        for layer in self.layers:
            x = layer(
                x, memory, position_bias, example_ids=example_ids, memory_example_ids=memory_example_ids
            )
        return self.norm(x)


@build.register
def _relative_layer(spec: specs.RelativeLayer, inputs: Inputs) -> RelativeLayer:
    return RelativeLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _relative_decoder_layer(spec: specs.RelativeDecoderLayer, inputs: Inputs) -> RelativeDecoderLayer:
    return RelativeDecoderLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _relative_stack(spec: specs.RelativeStack, inputs: Inputs) -> RelativeStack:
    children = build_children(spec, inputs)
    return RelativeStack(position=children["position"], layers=layers(children), norm=children["norm"])


@build.register
def _relative_decoder_stack(spec: specs.RelativeDecoderStack, inputs: Inputs) -> RelativeDecoderStack:
    children = build_children(spec, inputs)
    return RelativeDecoderStack(position=children["position"], layers=layers(children), norm=children["norm"])
