"""Linformer's layerwise sharing: a stack that owns the one projection of all its layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import linformer_stack as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.layer import PostNormLayer, Stack, layers, parts


class LinformerLayer(PostNormLayer):
    """A post-norm layer that hands the stack's ``projection [K, length]`` on to its attention."""

    def forward(
        self,
        x: Tensor,
        projection: Tensor,
        *,
        example_ids: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        mixed = self.attention(x, projection, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class LinformerStack(Stack):
    """Layers that share one projection along the sequence."""

    def __init__(
        self, *, layers: list[nn.Module], size: int, length: int, norm: nn.Module | None = None
    ) -> None:
        super().__init__(layers=layers, norm=norm)
        self.projection = nn.Parameter(torch.empty(size, length))

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        for layer in self.layers:
            x = layer(x, self.projection, example_ids=example_ids, positions=positions)
        return x if self.norm is None else self.norm(x)


@build.register
def _linformer_layer(spec: specs.LinformerLayer, inputs: Inputs) -> LinformerLayer:
    return LinformerLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _linformer_stack(spec: specs.LinformerStack, inputs: Inputs) -> LinformerStack:
    children = build_children(spec, inputs)
    attention = spec.layer.attention
    return LinformerStack(
        layers=layers(children),
        size=attention.size,
        length=attention.length,
        norm=children.get("norm"),
    )
