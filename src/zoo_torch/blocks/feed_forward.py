"""Feed-forward blocks: mixing along the features, position by position."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo_spec.blocks import feed_forward as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.blocks.rematerialize import rematerialized


class FeedForward(nn.Module):
    """``outer(activation(inner(x)))``: ``[..., hidden]`` to the same shape."""

    def __init__(
        self, *, hidden_size: int, size: int, bias: bool, activation: nn.Module, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.inner = Dense(hidden_size, size, bias=bias)
        self.activation = activation
        self.dropout = Dropout(rate=dropout)
        self.outer = Dense(size, hidden_size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        with rematerialized(x):
            inner = self.inner(x)
        mixed = self.dropout(self.activation(inner))
        with rematerialized(mixed):
            return self.outer(mixed)


class GatedFeedForward(nn.Module):
    """``outer(activation(gate(x)) * inner(x))``: ``[..., hidden]`` to the same shape."""

    def __init__(
        self, *, hidden_size: int, size: int, bias: bool, activation: nn.Module, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.gate = Dense(hidden_size, size, bias=bias)
        self.inner = Dense(hidden_size, size, bias=bias)
        self.activation = activation
        self.dropout = Dropout(rate=dropout)
        self.outer = Dense(size, hidden_size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.dropout(self.activation(self.gate(x)) * self.inner(x)))


@build.register
def _feed_forward(spec: specs.FeedForward, inputs: Inputs) -> FeedForward:
    return FeedForward(**_arguments(spec, inputs))


@build.register
def _gated_feed_forward(spec: specs.GatedFeedForward, inputs: Inputs) -> GatedFeedForward:
    return GatedFeedForward(**_arguments(spec, inputs))


def _arguments(spec: specs.FeedForwardBlock, inputs: Inputs) -> dict[str, Any]:
    return {
        "hidden_size": inputs["x"].width,
        "size": spec.size,
        "bias": spec.bias,
        "activation": build_children(spec, inputs)["activation"],
        "dropout": spec.dropout,
    }
