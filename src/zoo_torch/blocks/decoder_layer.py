"""Layers of a decoder that reads a memory, post-norm and pre-norm, and a stack of them."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import decoder_layer as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.blocks.layer import TwoNormLayer, layers, parts


class DecoderLayer(TwoNormLayer):
    """The parts of a decoder's layer; ``forward`` is the subclass's."""

    def __init__(
        self,
        *,
        attention: nn.Module,
        attention_norm: nn.Module,
        cross_attention: nn.Module,
        cross_attention_norm: nn.Module,
        feed_forward: nn.Module,
        feed_forward_norm: nn.Module,
        dropout: float,
    ) -> None:
        super().__init__(
            attention=attention,
            attention_norm=attention_norm,
            feed_forward=feed_forward,
            feed_forward_norm=feed_forward_norm,
            dropout=dropout,
        )
        self.cross_attention = cross_attention
        self.cross_attention_norm = cross_attention_norm
        self.cross_attention_dropout = Dropout(rate=dropout)


class PostNormDecoderLayer(DecoderLayer):
    """``x = norm(x + f(x))`` for attention, cross-attention, feed-forward (Vaswani et al., 2017, 3.1)."""

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        example_ids: Tensor | None = None,
        positions: Tensor | None = None,
        memory_example_ids: Tensor | None = None,
    ) -> Tensor:
        mixed = self.attention(x, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        read = self.cross_attention(x, memory, example_ids=example_ids, memory_example_ids=memory_example_ids)
        x = self.cross_attention_norm(x + self.cross_attention_dropout(read))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class PreNormDecoderLayer(DecoderLayer):
    """``x = x + f(norm(x))`` for attention, cross-attention, feed-forward (Xiong et al., 2020, figure 1b)."""

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        example_ids: Tensor | None = None,
        positions: Tensor | None = None,
        memory_example_ids: Tensor | None = None,
    ) -> Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        x = x + self.attention_dropout(mixed)
        read = self.cross_attention(
            self.cross_attention_norm(x),
            memory,
            example_ids=example_ids,
            memory_example_ids=memory_example_ids,
        )
        x = x + self.cross_attention_dropout(read)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class DecoderStack(nn.Module):
    """Decoder layers of one kind, one after the other, all reading one memory, then a last norm if one is given."""

    def __init__(self, *, layers: list[nn.Module], norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        example_ids: Tensor | None = None,
        positions: Tensor | None = None,
        memory_example_ids: Tensor | None = None,
    ) -> Tensor:
        for layer in self.layers:
            x = layer(
                x,
                memory,
                example_ids=example_ids,
                positions=positions,
                memory_example_ids=memory_example_ids,
            )
        return x if self.norm is None else self.norm(x)


@build.register
def _post_norm_decoder_layer(spec: specs.PostNormDecoderLayer, inputs: Inputs) -> PostNormDecoderLayer:
    return PostNormDecoderLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _pre_norm_decoder_layer(spec: specs.PreNormDecoderLayer, inputs: Inputs) -> PreNormDecoderLayer:
    return PreNormDecoderLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _decoder_stack(spec: specs.DecoderStack, inputs: Inputs) -> DecoderStack:
    children = build_children(spec, inputs)
    return DecoderStack(layers=layers(children), norm=children.get("norm"))
