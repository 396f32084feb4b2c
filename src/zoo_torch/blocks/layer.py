"""Transformer layers, post-norm and pre-norm, and a stack of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo_spec.blocks import layer as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dropout import Dropout


class Layer(nn.Module):
    """The parts of a layer; ``forward`` is the subclass's.

    With ``recompute``, training keeps the inputs alone, and the backward pass computes the rest again.
    """

    recompute = False

    def __init__(
        self,
        *,
        attention: nn.Module,
        attention_norm: nn.Module,
        feed_forward: nn.Module,
        feed_forward_norm: nn.Module,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = attention_norm
        self.attention_dropout = Dropout(rate=dropout)
        self.feed_forward = feed_forward
        self.feed_forward_norm = feed_forward_norm
        self.feed_forward_dropout = Dropout(rate=dropout)

    def __call__(self, *args: Tensor, **kwargs: Tensor | None) -> Tensor:
        if not (self.recompute and self.training and torch.is_grad_enabled()):
            return super().__call__(*args, **kwargs)
        return checkpoint(_SameMasks(self, super().__call__), *args, use_reentrant=False, **kwargs)


class _SameMasks:
    """A layer's call that draws the same dropout masks each time that it is made.

    torch keeps the state of its own generator; those that a training loop gives count their uses.
    """

    def __init__(self, layer: nn.Module, call: Callable[..., Tensor]) -> None:
        self.call = call
        self.dropouts = [module for module in layer.modules() if isinstance(module, Dropout)]
        self.uses = [dropout.uses for dropout in self.dropouts]

    def __call__(self, *args: Tensor, **kwargs: Tensor | None) -> Tensor:
        for dropout, uses in zip(self.dropouts, self.uses, strict=True):
            dropout.uses = uses
        return self.call(*args, **kwargs)


class PostNormLayer(Layer):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))`` (Vaswani et al., 2017, 3.1)."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        mixed = self.attention(x, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class PreNormLayer(Layer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Xiong et al., 2020, figure 1b)."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        x = x + self.attention_dropout(mixed)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class Stack(nn.Module):
    """Layers of one kind, one after the other, then a last norm if one is given."""

    def __init__(self, *, layers: list[nn.Module], norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        for layer in self.layers:
            x = layer(x, example_ids=example_ids, positions=positions)
        return x if self.norm is None else self.norm(x)


def _parts(spec: specs.Layer, inputs: Inputs) -> dict[str, nn.Module]:
    children = build_children(spec, inputs)
    return {
        name: children[name] for name in ("attention", "attention_norm", "feed_forward", "feed_forward_norm")
    }


@build.register
def _post_norm_layer(spec: specs.PostNormLayer, inputs: Inputs) -> PostNormLayer:
    return PostNormLayer(**_parts(spec, inputs), dropout=spec.dropout)


@build.register
def _pre_norm_layer(spec: specs.PreNormLayer, inputs: Inputs) -> PreNormLayer:
    return PreNormLayer(**_parts(spec, inputs), dropout=spec.dropout)


@build.register
def _stack(spec: specs.Stack, inputs: Inputs) -> Stack:
    children = build_children(spec, inputs)
    layers = [children[f"layers.{index}"] for index in range(spec.num_layers)]
    return Stack(layers=layers, norm=children.get("norm"))
