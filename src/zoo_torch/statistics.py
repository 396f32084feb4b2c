"""Batch statistics over all replicas: what batch norm shares of a micro-batch, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# B rows, C channels, R replicas.

Group = Any
"""Processes that can speak to each other: torch's own group, or one of a backend's."""


def group_of(asked: Group | None) -> Group | None:
    """The group that was given, else that of the process, if it has joined one; None for one alone."""
    found = asked
    if found is None and dist.is_available() and dist.is_initialized():
        found = dist.group.WORLD
    return None if found is None or found.size() == 1 else found


class Shared(torch.autograd.Function):
    """``[B, C, ...]`` less the mean, by the root of the variance plus epsilon, of the rows of all replicas.

    Gives the mean and the unbiased variance, both ``[C]``, too. Rows that do not count are normalised, but nothing
    is taken from them, and nothing goes back to them. Means and sums of squares are joined as by Chan et al. (1979),
    which rounds as little as one pass over all rows.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, epsilon: float, group: Group, counts: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        axes = [0, *range(2, x.dim())]
        number = x.numel() // x.shape[1] if counts else 0
        mean = x.mean(axes)
        squares = (x - _along(mean, x)).square().sum(axes)
        numbers, means, sums = _gathered(torch.cat([x.new_tensor([number]), mean, squares]), group)
        total = numbers.sum()
        if total < 2:
            raise ValueError("batch norm needs more than one value a channel to train, over all replicas")
        mean = (numbers * means).sum(0) / total
        squares = (sums * (numbers > 0) + numbers * (means - mean).square()).sum(0)
        inverse = (squares / total + epsilon).rsqrt()
        normal = (x - _along(mean, x)) * _along(inverse, x)
        ctx.save_for_backward(normal, inverse, total)
        ctx.group, ctx.counts = group, counts
        ctx.mark_non_differentiable(mean, unbiased := squares / (total - 1))
        return normal, mean, unbiased

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, None, None]:
        normal, inverse, total = ctx.saved_tensors
        axes = [0, *range(2, normal.dim())]
        sums = torch.stack([gradient.sum(axes), (gradient * normal).sum(axes)])
        if not ctx.counts:
            sums = torch.zeros_like(sums)
        ctx.group.allreduce([sums]).wait()
        if not ctx.counts:
            return torch.zeros_like(normal), None, None, None
        plain, along = (_along(each / total, normal) for each in sums)
        return _along(inverse, normal) * (gradient - plain - normal * along), None, None, None


def _gathered(own: Tensor, group: Group) -> tuple[Tensor, Tensor, Tensor]:
    """``[R, 1]`` numbers, ``[R, C]`` means and ``[R, C]`` sums of squares."""
    each = [torch.empty_like(own) for _ in range(group.size())]
    group.allgather([each], [own]).wait()
    all_RC = torch.stack(each)
    channels = len(own) // 2
    numbers, means, sums = all_RC.split([1, channels, channels], 1)
    return numbers, means, sums


def _along(values: Tensor, x: Tensor) -> Tensor:
    """``[C]`` as it goes with ``[B, C, ...]``."""
    return values.view(1, -1, *[1] * (x.dim() - 2))
