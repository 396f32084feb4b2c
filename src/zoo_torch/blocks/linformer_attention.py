"""Linformer's attention: keys and values are projected along the sequence to a few rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import linformer_attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.attend import attend, join, split
from zoo_torch.blocks.attention import Attention
from zoo_torch.blocks.base import build
from zoo_torch.precision import narrowed

# B batch, T tokens, D hidden, N heads, H head size, K projected rows.


class ProjectedAttention(Attention):
    """``softmax(Q (E K)^T / sqrt(d)) (F V)`` (Wang et al., 2020, 4); ``E`` and ``F`` are the subclass's.

    Keys and values of padding are zero before they are projected.
    """

    def __init__(self, *, hidden_size: int, num_heads: int, bias: bool, dropout: float) -> None:
        super().__init__(
            hidden_size=hidden_size, num_heads=num_heads, causal=False, bias=bias, dropout=dropout
        )

    def mix(self, x: Tensor, e: Tensor, f: Tensor, example_ids: Tensor | None) -> Tensor:
        """``x [B, T, D]`` with the projections ``e`` and ``f``, ``[K, length]`` or ``[N, K, length]``."""
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNKH = along_sequence(e, split(self.key(x), self.num_heads), example_ids)
        v_BNKH = along_sequence(f, split(self.value(x), self.num_heads), example_ids)
        mixed_BNTH = attend(
            q_BNTH,
            k_BNKH,
            v_BNKH,
            scale=self.scale,
            mask=None,
            dropout=self.dropout,
            open_lengths=self.open_lengths,
        )
        return self.project(join(mixed_BNTH))


class LinformerAttention(ProjectedAttention):
    """The layer's own projections: two for each head, two for all heads, or one for keys and values."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        bias: bool,
        dropout: float,
        size: int,
        length: int,
        sharing: str,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, bias=bias, dropout=dropout)
        shape = (num_heads, size, length) if sharing == "none" else (size, length)
        self.is_shared = sharing == "key_value"
        if self.is_shared:
            self.projection = nn.Parameter(torch.empty(shape))
        else:
            self.key_projection = nn.Parameter(torch.empty(shape))
            self.value_projection = nn.Parameter(torch.empty(shape))

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        if self.is_shared:
            return self.mix(x, self.projection, self.projection, example_ids)
        return self.mix(x, self.key_projection, self.value_projection, example_ids)


class LayerwiseLinformerAttention(ProjectedAttention):
    """One projection for keys and values of all heads and layers, which the stack hands in."""

    def forward(
        self,
        x: Tensor,
        projection: Tensor,
        *,
        example_ids: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        return self.mix(x, projection, projection, example_ids)


def along_sequence(projection: Tensor, x_BNTH: Tensor, example_ids: Tensor | None) -> Tensor:
    """``[B, N, K, H]``: the first T columns of ``projection`` times ``x``, padding left out."""
    if example_ids is not None:
        x_BNTH = x_BNTH * (example_ids > 0)[:, None, :, None].to(x_BNTH.dtype)
    # Rows of the transposed matrix, which lie apart however many there are: torch.export would fix the length of a
    # cut that is contiguous at one length only.
    columns = narrowed(projection.mT[..., : x_BNTH.shape[2], :], x_BNTH)
    return (x_BNTH.mT @ columns).mT


@build.register
def _linformer_attention(spec: specs.LinformerAttention, inputs: Inputs) -> LinformerAttention:
    return LinformerAttention(
        hidden_size=inputs["x"].width,
        num_heads=spec.num_heads,
        bias=spec.bias,
        dropout=spec.dropout,
        size=spec.size,
        length=spec.length,
        sharing=spec.sharing,
    )


@build.register
def _layerwise_linformer_attention(
    spec: specs.LayerwiseLinformerAttention, inputs: Inputs
) -> LayerwiseLinformerAttention:
    return LayerwiseLinformerAttention(
        hidden_size=inputs["x"].width, num_heads=spec.num_heads, bias=spec.bias, dropout=spec.dropout
    )
