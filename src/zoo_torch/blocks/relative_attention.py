"""Attention whose scores are biased by the positions' distance."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import relative_attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.attend import UNMEASURED, OpenLengths, attend, join, split, visible
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout

# B batch, T tokens, N heads, H head size.


class RelativeAttention(nn.Module):
    """T5's attention: no scale, ``position_bias [N, T, T]`` on the scores (Raffel et al., 2020, 2.1)."""

    def __init__(
        self, *, hidden_size: int, num_heads: int, head_size: int, causal: bool, bias: bool, dropout: float
    ) -> None:
        super().__init__()
        inner = num_heads * head_size
        self.num_heads = num_heads
        self.head_size = head_size
        self.causal = causal
        self.open_lengths: OpenLengths = UNMEASURED
        self.query = Dense(hidden_size, inner, bias=bias)
        self.key = Dense(hidden_size, inner, bias=bias)
        self.value = Dense(hidden_size, inner, bias=bias)
        self.project = Dense(inner, hidden_size, bias=bias)
        self.dropout = Dropout(rate=dropout)

    def forward(self, x: Tensor, position_bias: Tensor, *, example_ids: Tensor | None = None) -> Tensor:
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNTH = split(self.key(x), self.num_heads)
        v_BNTH = split(self.value(x), self.num_heads)
        mask = visible(example_ids, x.shape[1], self.causal, x.device, always=True)
        mixed_BNTH = attend(
            q_BNTH,
            k_BNTH,
            v_BNTH,
            scale=1.0,
            mask=mask,
            dropout=self.dropout,
            bias_NTS=position_bias,
            open_lengths=self.open_lengths,
        )
        return self.project(join(mixed_BNTH))


@build.register
def _relative_attention(spec: specs.RelativeAttention, inputs: Inputs) -> RelativeAttention:
    return RelativeAttention(
        hidden_size=inputs["x"].width,
        num_heads=spec.num_heads,
        head_size=spec.head_size,
        causal=spec.mask == "causal",
        bias=spec.bias,
        dropout=spec.dropout,
    )
