"""One vector for a whole example out of those of its tokens, without weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import pooling as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import at_least_float32

# B batch, T tokens, D hidden, E examples in a row.


class MeanPooling(nn.Module):
    """The mean of an example's tokens: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, pooled_positions: Tensor | None = None
    ) -> Tensor:
        wide = at_least_float32(x)
        weights_BET = belongs(x, example_ids, pooled_positions).to(wide.dtype)
        sums, numbers = weights_BET @ wide, weights_BET.sum(2, keepdim=True).clamp(min=1e-9)
        return one_or_each(sums / numbers, pooled_positions).to(x.dtype)


class SquareRootPooling(nn.Module):
    """Their sum over the square root of their number: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]``."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, pooled_positions: Tensor | None = None
    ) -> Tensor:
        wide = at_least_float32(x)
        weights_BET = belongs(x, example_ids, pooled_positions).to(wide.dtype)
        sums, numbers = weights_BET @ wide, weights_BET.sum(2, keepdim=True).clamp(min=1e-9)
        return one_or_each(sums / numbers.sqrt(), pooled_positions).to(x.dtype)


class WeightedMeanPooling(nn.Module):
    """Their mean, where the k-th token weighs k: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]``."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, pooled_positions: Tensor | None = None
    ) -> Tensor:
        wide = at_least_float32(x)
        numbers_T = torch.arange(1, x.shape[1] + 1, device=x.device)
        starts_BE1 = 0 if pooled_positions is None else pooled_positions[:, :, None]
        weights_BET = (belongs(x, example_ids, pooled_positions) * (numbers_T - starts_BE1)).to(wide.dtype)
        sums, numbers = weights_BET @ wide, weights_BET.sum(2, keepdim=True).clamp(min=1e-9)
        return one_or_each(sums / numbers, pooled_positions).to(x.dtype)


class MaxPooling(nn.Module):
    """The largest value of each feature: ``[B, T, D]`` to ``[B, D]``, or ``[B, E, D]`` of packed rows."""

    def forward(
        self, x: Tensor, *, example_ids: Tensor | None = None, pooled_positions: Tensor | None = None
    ) -> Tensor:
        mine_BET = belongs(x, example_ids, pooled_positions)
        values = torch.where(mine_BET[:, :, :, None], x[:, None], torch.finfo(x.dtype).min)
        return one_or_each(values.amax(2), pooled_positions)


class UnitLength(nn.Module):
    """``x / max(|x|, epsilon)`` of each vector."""

    def __init__(self, *, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(at_least_float32(x), dim=-1, eps=self.epsilon).to(x.dtype)

    def extra_repr(self) -> str:
        return f"epsilon={self.epsilon}"


def belongs(x: Tensor, example_ids: Tensor | None, pooled_positions: Tensor | None) -> Tensor:
    """``[B, E, T]``: which tokens are of each example, or, of rows with one, are no padding (E is 1)."""
    ids_BT = x.new_ones(x.shape[:2], dtype=torch.int32) if example_ids is None else example_ids
    if pooled_positions is None:
        return (ids_BT > 0)[:, None]
    wanted_BE = torch.gather(ids_BT, 1, pooled_positions.long())
    return ids_BT[:, None] == wanted_BE[:, :, None]


def one_or_each(vectors_BED: Tensor, pooled_positions: Tensor | None) -> Tensor:
    """``[B, D]`` of rows with one example each, ``[B, E, D]`` of packed ones."""
    return vectors_BED[:, 0] if pooled_positions is None else vectors_BED


@build.register
def _mean(spec: specs.MeanPooling, inputs: Inputs) -> MeanPooling:
    return MeanPooling()


@build.register
def _square_root(spec: specs.SquareRootPooling, inputs: Inputs) -> SquareRootPooling:
    return SquareRootPooling()


@build.register
def _weighted_mean(spec: specs.WeightedMeanPooling, inputs: Inputs) -> WeightedMeanPooling:
    return WeightedMeanPooling()


@build.register
def _max(spec: specs.MaxPooling, inputs: Inputs) -> MaxPooling:
    return MaxPooling()


@build.register
def _unit_length(spec: specs.UnitLength, inputs: Inputs) -> UnitLength:
    return UnitLength(epsilon=spec.epsilon)
