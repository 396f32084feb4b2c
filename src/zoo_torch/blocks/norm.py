"""Norms, of vectors and across places: torch's own, with every default stated; their weights stay in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import norm as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.rematerialize import note_epsilon
from zoo_torch.precision import Applied, at_least_float32, keeping_width
from zoo_torch.statistics import Group, Shared, group_of


class LayerNorm(nn.LayerNorm):
    """``(x - mean) / sqrt(variance + eps) * weight + bias``; half-width input is computed in float32."""

    def _apply(self, applied: Applied, recurse: bool = True) -> nn.Module:
        return super()._apply(keeping_width(applied), recurse)

    def forward(self, x: Tensor) -> Tensor:
        return note_epsilon(super().forward(at_least_float32(x)), self.eps).to(x.dtype)


class RmsNorm(nn.RMSNorm):
    """``x / sqrt(mean(x^2) + eps) * weight``; half-width input is computed in float32."""

    def _apply(self, applied: Applied, recurse: bool = True) -> nn.Module:
        return super()._apply(keeping_width(applied), recurse)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(at_least_float32(x)).to(x.dtype)


class BatchNorm(nn.Module):
    """Each channel of ``[B, ..., C]`` over the batch and all places; ``decay`` of the running statistics stays.

    Not torch's own, which would count its steps in a tensor of the ``state_dict``. One that is ``fixed`` uses the
    running statistics in training too, and leaves them alone. One that is ``synchronized`` takes the batch of all
    replicas, of ``group`` or else of the group that the process has joined, as under a user's own
    ``DistributedDataParallel``. While ``stands_in`` its rows are no part of the batch.
    """

    fixed = False
    group: Group | None = None
    stands_in = False

    def __init__(self, *, channels: int, epsilon: float, decay: float, synchronized: bool = False) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.decay = decay
        self.synchronized = synchronized
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def _apply(self, applied: Applied, recurse: bool = True) -> nn.Module:
        return super()._apply(keeping_width(applied), recurse)

    def forward(self, x: Tensor) -> Tensor:
        trains = self.training and not self.fixed
        group = group_of(self.group) if trains and self.synchronized else None
        if group is not None:
            return self._of_all(x, group)
        y = F.batch_norm(
            _channels_first(x),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            trains,
            1 - self.decay,
            self.epsilon,
        )
        return y.movedim(1, -1).to(x.dtype)

    def _of_all(self, x: Tensor, group: Group) -> Tensor:
        normal, mean, variance = Shared.apply(_channels_first(x), self.epsilon, group, not self.stands_in)
        with torch.no_grad():
            for running, found in ((self.running_mean, mean), (self.running_var, variance)):
                running.lerp_(found.to(running.dtype), 1 - self.decay)
        return (normal.movedim(1, -1) * self.weight + self.bias).to(x.dtype)


@contextlib.contextmanager
def standing_in(model: nn.Module) -> Iterator[None]:
    """While this runs, what the model is given is no part of any batch; it is there to meet other replicas."""
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    for norm in norms:
        norm.stands_in = True
    try:
        yield
    finally:
        for norm in norms:
            norm.stands_in = False


class GroupNorm(nn.Module):
    """Each group of channels of an example of ``[B, ..., C]`` over all places."""

    def __init__(self, *, channels: int, groups: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def _apply(self, applied: Applied, recurse: bool = True) -> nn.Module:
        return super()._apply(keeping_width(applied), recurse)

    def forward(self, x: Tensor) -> Tensor:
        y = group_norm(_channels_first(x), self.groups, self.weight, self.bias, self.epsilon)
        return y.movedim(1, -1).to(x.dtype)


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """``F.group_norm``, which refuses a batch of one value a group; that is its own mean, and 0 then."""
    return torch.group_norm(x, groups, weight, bias, epsilon)


def _channels_first(x: Tensor) -> Tensor:
    """``[B, ..., C]`` as ``[B, C, ...]``, in float32 or wider.

    Copied on the CPU: the kernels for channels-last views add up one value after the other there, and are ten to a
    hundred times farther from float64 (torch 2.13; over 8,192 values 4e-6, where the others are 3e-7).
    """
    view = at_least_float32(x).movedim(-1, 1)
    return view.contiguous() if x.is_cpu else view


@build.register
def _layer_norm(spec: specs.LayerNorm, inputs: Inputs) -> LayerNorm:
    return LayerNorm(inputs["x"].width, eps=spec.epsilon)


@build.register
def _rms_norm(spec: specs.RmsNorm, inputs: Inputs) -> RmsNorm:
    return RmsNorm(inputs["x"].width, eps=spec.epsilon)


@build.register
def _batch_norm(spec: specs.BatchNorm, inputs: Inputs) -> BatchNorm:
    return BatchNorm(
        channels=inputs["x"].width,
        epsilon=spec.epsilon,
        decay=spec.decay,
        synchronized=spec.statistics == "synchronized",
    )


@build.register
def _group_norm(spec: specs.GroupNorm, inputs: Inputs) -> GroupNorm:
    return GroupNorm(channels=inputs["x"].width, groups=spec.groups, epsilon=spec.epsilon)


@build.register
def _instance_norm(spec: specs.InstanceNorm, inputs: Inputs) -> GroupNorm:
    width = inputs["x"].width
    return GroupNorm(channels=width, groups=width, epsilon=spec.epsilon)
