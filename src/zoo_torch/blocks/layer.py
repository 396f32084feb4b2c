"""Transformer layers, post-norm, pre-norm and parallel, and stacks of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo_spec.blocks import layer as specs
from zoo_spec.blocks.base import Block, Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dropout import Dropout


class Layer(nn.Module):
    """A layer; its parts and ``forward`` are the subclass's.

    With ``recompute``, training keeps the inputs alone, and the backward pass computes the rest again.
    """

    recompute = False

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


class TwoNormLayer(Layer):
    """The parts of a layer with a norm for each half; ``forward`` is the subclass's."""

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


class PostNormLayer(TwoNormLayer):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))`` (Vaswani et al., 2017, 3.1)."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        mixed = self.attention(x, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class PreNormLayer(TwoNormLayer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Xiong et al., 2020, figure 1b)."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        x = x + self.attention_dropout(mixed)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class ParallelLayer(Layer):
    """``y = norm(x); x = x + attention(y) + feed_forward(y)``, one norm for both (Wang & Komatsuzaki, 2021)."""

    def __init__(
        self, *, norm: nn.Module, attention: nn.Module, feed_forward: nn.Module, dropout: float
    ) -> None:
        super().__init__()
        self.norm = norm
        self.attention = attention
        self.attention_dropout = Dropout(rate=dropout)
        self.feed_forward = feed_forward
        self.feed_forward_dropout = Dropout(rate=dropout)

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        normed = self.norm(x)
        mixed = self.attention_dropout(self.attention(normed, example_ids=example_ids, positions=positions))
        return x + mixed + self.feed_forward_dropout(self.feed_forward(normed))


class ParallelTwoNormLayer(TwoNormLayer):
    """``x = x + attention(norm(x)) + feed_forward(other_norm(x))`` (Black et al., 2022, 2.1)."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        mixed = self.attention_dropout(mixed)
        return x + mixed + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class Stack(nn.Module):
    """Layers one after the other, then a last norm if one is given."""

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


def parts(spec: Block, inputs: Inputs) -> dict[str, nn.Module]:
    """The native modules of a layer, but for its dropouts, by attribute."""
    children = build_children(spec, inputs)
    return {name: child for name, child in children.items() if not isinstance(child, Dropout)}


def layers(children: dict[str, nn.Module]) -> list[nn.Module]:
    """A stack's layers, of the native modules that it has, in order."""
    return [child for name, child in children.items() if name.startswith("layers.")]


@build.register
def _post_norm_layer(spec: specs.PostNormLayer, inputs: Inputs) -> PostNormLayer:
    return PostNormLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _pre_norm_layer(spec: specs.PreNormLayer, inputs: Inputs) -> PreNormLayer:
    return PreNormLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _parallel_layer(spec: specs.ParallelLayer, inputs: Inputs) -> ParallelLayer:
    return ParallelLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _parallel_two_norm_layer(spec: specs.ParallelTwoNormLayer, inputs: Inputs) -> ParallelTwoNormLayer:
    return ParallelTwoNormLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register(specs.Stack)
@build.register(specs.PatternStack)
def _stack(spec: specs.Stack | specs.PatternStack, inputs: Inputs) -> Stack:
    children = build_children(spec, inputs)
    return Stack(layers=layers(children), norm=children.get("norm"))
