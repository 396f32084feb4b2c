"""One vector for a whole example."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import pooler as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.gather import gather

# B batch, T tokens, D hidden, E examples in a row.


class Pooler(nn.Module):
    """``tanh(dense(first token))``: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__()
        self.dense = Dense(hidden_size, hidden_size)

    def forward(self, x: Tensor, *, pooled_positions: Tensor | None = None) -> Tensor:
        first = x[:, 0] if pooled_positions is None else gather(x, pooled_positions)
        return torch.tanh(self.dense(first))


class FirstToken(nn.Module):
    """The first token of each example: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def forward(self, x: Tensor, *, pooled_positions: Tensor | None = None) -> Tensor:
        return x[:, 0] if pooled_positions is None else gather(x, pooled_positions)


class LastToken(nn.Module):
    """The last token of each example: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, pooled_positions: Tensor | None = None
    ) -> Tensor:
        ids_BT = x.new_ones(x.shape[:2], dtype=torch.int32) if example_ids is None else example_ids
        places_T = torch.arange(x.shape[1], device=x.device)
        if pooled_positions is None:
            last_B = torch.where(ids_BT > 0, places_T, 0).amax(1)
            return gather(x, last_B[:, None])[:, 0]
        wanted_BE = torch.gather(ids_BT, 1, pooled_positions.long())
        last_BE = torch.where(ids_BT[:, None] == wanted_BE[:, :, None], places_T, 0).amax(2)
        return gather(x, last_BE)


@build.register
def _pooler(spec: specs.Pooler, inputs: Inputs) -> Pooler:
    return Pooler(hidden_size=inputs["x"].width)


@build.register
def _first_token(spec: specs.FirstToken, inputs: Inputs) -> FirstToken:
    return FirstToken()


@build.register
def _last_token(spec: specs.LastToken, inputs: Inputs) -> LastToken:
    return LastToken()
