"""Cross-attention: reading another sequence, such as an encoder's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo_spec.blocks import cross_attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.attend import UNMEASURED, OpenLengths, attend, join, split
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout

# B batch, T tokens, S memory's tokens, N heads, H head size.


class CrossAttention(nn.Module):
    """Multi-head attention to a memory; ``scale`` multiplies the scores."""

    def __init__(
        self,
        *,
        hidden_size: int,
        memory_size: int,
        num_heads: int,
        head_size: int,
        scale: float,
        bias: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        inner = num_heads * head_size
        self.num_heads = num_heads
        self.head_size = head_size
        self.scale = scale
        self.causal = False
        self.open_lengths: OpenLengths = UNMEASURED
        self.query = Dense(hidden_size, inner, bias=bias)
        self.key = Dense(memory_size, inner, bias=bias)
        self.value = Dense(memory_size, inner, bias=bias)
        self.project = Dense(inner, hidden_size, bias=bias)
        self.dropout = Dropout(rate=dropout)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        *,
        example_ids: Tensor | None = None,
        memory_example_ids: Tensor | None = None,
    ) -> Tensor:
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNSH = split(self.key(memory), self.num_heads)
        v_BNSH = split(self.value(memory), self.num_heads)
        mask, found = readable(example_ids, memory_example_ids, x.shape, memory.shape)
        mixed_BNTH = attend(
            q_BNTH,
            k_BNSH,
            v_BNSH,
            scale=self.scale,
            mask=mask,
            dropout=self.dropout,
            open_lengths=self.open_lengths,
        )
        if found is not None:
            mixed_BNTH = mixed_BNTH * found
        return self.project(join(mixed_BNTH))


def readable(
    example_ids: Tensor | None,
    memory_example_ids: Tensor | None,
    shape: torch.Size,
    memory_shape: torch.Size,
) -> tuple[Tensor | None, Tensor | None]:
    """Which of the memory each position reads, ``[B, 1, T, S]``, and whether it has any, ``[B, 1, T, 1]``.

    Both None if all read all. Softmax needs something to run over, so one that has none is shown all.
    """
    if example_ids is None and memory_example_ids is None:
        return None, None
    if example_ids is None:
        example_ids = memory_example_ids.new_ones(shape[:2])
    if memory_example_ids is None:
        memory_example_ids = example_ids.new_ones(memory_shape[:2])
    same = example_ids[:, None, :, None] == memory_example_ids[:, None, None, :]
    found = same.any(-1, keepdim=True)
    return same | ~found, found


@build.register
def _cross_attention(spec: specs.CrossAttention, inputs: Inputs) -> CrossAttention:
    head_size = inputs["x"].width // spec.num_heads
    return CrossAttention(
        hidden_size=inputs["x"].width,
        memory_size=inputs["memory"].width,
        num_heads=spec.num_heads,
        head_size=head_size,
        scale=1 / math.sqrt(head_size),
        bias=spec.bias,
        dropout=spec.dropout,
    )


@build.register
def _unscaled_cross_attention(spec: specs.UnscaledCrossAttention, inputs: Inputs) -> CrossAttention:
    return CrossAttention(
        hidden_size=inputs["x"].width,
        memory_size=inputs["memory"].width,
        num_heads=spec.num_heads,
        head_size=spec.head_size,
        scale=1.0,
        bias=spec.bias,
        dropout=spec.dropout,
    )
