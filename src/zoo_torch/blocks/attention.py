"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from zoo_spec.blocks import attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.attend import UNMEASURED, OpenLengths, attend, join, split, visible
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout

# B batch, T tokens, D hidden, N heads, H head size.


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al., 2017, 3.2); torch picks the kernel."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        causal: bool,
        bias: bool,
        dropout: float,
        position: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_size = hidden_size // num_heads
        self.scale = 1 / math.sqrt(self.head_size)
        self.causal = causal
        self.open_lengths: OpenLengths = UNMEASURED
        self.query = Dense(hidden_size, hidden_size, bias=bias)
        self.key = Dense(hidden_size, hidden_size, bias=bias)
        self.value = Dense(hidden_size, hidden_size, bias=bias)
        self.project = Dense(hidden_size, hidden_size, bias=bias)
        self.dropout = Dropout(rate=dropout)
        self.position = position

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNTH = split(self.key(x), self.num_heads)
        v_BNTH = split(self.value(x), self.num_heads)
        if self.position is not None:
            q_BNTH = self.position(q_BNTH, positions=positions)
            k_BNTH = self.position(k_BNTH, positions=positions)
        mixed_BNTH = attend(
            q_BNTH,
            k_BNTH,
            v_BNTH,
            scale=self.scale,
            mask=self._visible(example_ids, x),
            dropout=self.dropout,
            causal=self.causal,
            open_lengths=self.open_lengths,
        )
        return self.project(join(mixed_BNTH))

    def _visible(self, example_ids: Tensor | None, x_BTD: Tensor) -> Tensor | None:
        return visible(example_ids, x_BTD.shape[1], self.causal, x_BTD.device)


class BandedAttention(Attention):
    """Attention to the positions less than ``window`` away alone (Child et al., 2019)."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        causal: bool,
        bias: bool,
        dropout: float,
        window: int,
        position: nn.Module | None = None,
    ) -> None:
        super().__init__(
            hidden_size=hidden_size,
            num_heads=num_heads,
            causal=causal,
            bias=bias,
            dropout=dropout,
            position=position,
        )
        self.window = window

    def _visible(self, example_ids: Tensor | None, x_BTD: Tensor) -> Tensor:
        place = torch.arange(x_BTD.shape[1], device=x_BTD.device)
        near = (place[:, None] - place[None, :]).abs() < self.window
        others = visible(example_ids, x_BTD.shape[1], self.causal, x_BTD.device, always=True)
        return near if others is None else near & others


@build.register
def _attention(spec: specs.Attention, inputs: Inputs) -> Attention:
    return Attention(**_arguments(spec, inputs))


@build.register
def _banded_attention(spec: specs.BandedAttention, inputs: Inputs) -> BandedAttention:
    return BandedAttention(**_arguments(spec, inputs), window=spec.window)


def _arguments(spec: specs.Attention, inputs: Inputs) -> dict[str, Any]:
    return {
        "hidden_size": inputs["x"].width,
        "num_heads": spec.num_heads,
        "causal": spec.mask == "causal",
        "bias": spec.bias,
        "dropout": spec.dropout,
        "position": build_children(spec, inputs).get("position"),
    }
