"""Multi-head attention."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.precision import at_least_float32

# B batch, T tokens, D hidden, N heads, H head size.

OPEN_LENGTH = 256
"""Tokens up to which a CPU attends by plain products: 0.3 of the fused kernel's time at 128, 0.7 at 512 tokens."""


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al., 2017, 3.2); torch picks the kernel."""

    def __init__(self, *, hidden_size: int, num_heads: int, causal: bool, bias: bool, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.query = Dense(hidden_size, hidden_size, bias=bias)
        self.key = Dense(hidden_size, hidden_size, bias=bias)
        self.value = Dense(hidden_size, hidden_size, bias=bias)
        self.project = Dense(hidden_size, hidden_size, bias=bias)
        self.dropout = Dropout(rate=dropout)

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        q_BNTH = self._split(self.query(x))
        k_BNTH = self._split(self.key(x))
        v_BNTH = self._split(self.value(x))
        mask = visible(example_ids, x.shape[1], self.causal, x.device)
        mixed_BNTH = self._mix(q_BNTH, k_BNTH, v_BNTH, mask)
        return self.project(mixed_BNTH.transpose(1, 2).flatten(2))

    def _split(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(2, (self.num_heads, -1)).transpose(1, 2)

    def _mix(self, q_BNTH: Tensor, k_BNTH: Tensor, v_BNTH: Tensor, mask: Tensor | None) -> Tensor:
        drops = self.training and self.dropout.rate > 0
        # Masks of dropout that are given need the weights themselves, which the fused kernels keep to themselves.
        if (drops and self.dropout.draw is not None) or _is_faster_in_the_open(q_BNTH):
            return self._mix_in_the_open(q_BNTH, k_BNTH, v_BNTH, mask)
        return F.scaled_dot_product_attention(
            q_BNTH,
            k_BNTH,
            v_BNTH,
            attn_mask=mask,
            dropout_p=self.dropout.rate if drops else 0.0,
            is_causal=self.causal and mask is None,
        )

    def _mix_in_the_open(self, q_BNTH: Tensor, k_BNTH: Tensor, v_BNTH: Tensor, mask: Tensor | None) -> Tensor:
        # Scaling the queries is scaling the scores, on a tensor that is T / H times smaller.
        scores_BNTT = (q_BNTH * (1 / math.sqrt(q_BNTH.shape[-1]))) @ k_BNTH.mT
        if mask is None and self.causal:
            mask = visible(None, q_BNTH.shape[2], self.causal, q_BNTH.device, always=True)
        if mask is not None:
            hidden = torch.zeros(mask.shape, dtype=scores_BNTT.dtype, device=mask.device)
            scores_BNTT = scores_BNTT + hidden.masked_fill_(~mask, -math.inf)
        weights_BNTT = at_least_float32(scores_BNTT).softmax(-1).to(v_BNTH.dtype)
        return self.dropout(weights_BNTT) @ v_BNTH


def _is_faster_in_the_open(q_BNTH: Tensor) -> bool:
    """Whether two products and a softmax beat torch's fused kernel: on a CPU, over short rows, a third of its time.

    Beyond that the weights would take more memory than the time is worth. A graph that is compiled or exported
    has the fused call alone, whatever its length.
    """
    return (
        not torch.compiler.is_compiling()
        and q_BNTH.device.type == "cpu"
        and q_BNTH.dtype in (torch.float32, torch.float64)
        and q_BNTH.shape[2] <= OPEN_LENGTH
    )


def visible(
    example_ids: Tensor | None, length: int, causal: bool, device: torch.device, *, always: bool = False
) -> Tensor | None:
    """Which positions see which, ``[B, 1, T, T]`` or ``[T, T]`` bool; None where a kernel's own mask serves.

    A position sees those of its own example, itself among them, so no row is ever empty.
    """
    past = torch.ones(length, length, dtype=torch.bool, device=device).tril() if causal else None
    if example_ids is None:
        return past if always else None
    same = example_ids[:, None, :, None] == example_ids[:, None, None, :]
    return same if past is None else same & past


@build.register
def _attention(spec: specs.Attention, inputs: Inputs) -> Attention:
    return Attention(
        hidden_size=inputs["x"].width,
        num_heads=spec.num_heads,
        causal=spec.mask == "causal",
        bias=spec.bias,
        dropout=spec.dropout,
    )
