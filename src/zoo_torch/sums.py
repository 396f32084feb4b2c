"""What replicas share of a step: the sum of their gradients, of their losses, and what batch norms learned."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from zoo_torch.blocks.norm import BatchNorm
from zoo_torch.replicas import TorchReplicas
from zoo_torch.statistics import Group

BUCKET = 25 << 20
"""Bytes that are summed at once: fewer wait longer for one another, more begin later. torch's own DDP has as many."""


class Sums(Protocol):
    """How a step's gradients and losses become those of all replicas."""

    def watching(self) -> contextlib.AbstractContextManager[None]:
        """While the backward pass of the last micro-batch runs, whose gradients are the whole sum of this replica."""

    def finish(self, losses: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        """The losses' sums; each parameter's ``grad`` is now that of all, of which ``rows`` were here."""


class OwnAlone:
    """One process, whose sums are complete."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Nothing to do."""
        yield

    def finish(self, losses: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        """As they are."""
        return dict(losses)


@dataclass
class Bucket:
    """Parameters of one dtype whose gradients are summed at once."""

    parameters: list[nn.Parameter]
    waiting: int = 0
    flat: Tensor | None = None
    work: object = None


class BucketSums:
    """A plain sum over all replicas, in buckets that leave as soon as the backward pass has filled them.

    All replicas have the same buckets in the same order, and each sends a bucket only after those before it. What the
    loss does not reach counts as zeros.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], norms: Sequence[BatchNorm], replicas: TorchReplicas
    ) -> None:
        self.group: Group = replicas.group
        self.buckets = _buckets(list(reversed(parameters)))  # The last have their gradients first.
        self.norms = norms
        self._sent = 0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Send what is full, as long as nothing before it lacks anything."""
        self._sent = 0
        hooks = []
        for bucket in self.buckets:
            bucket.waiting = len(bucket.parameters)
            hooks += [
                parameter.register_post_accumulate_grad_hook(partial(self._has, bucket))
                for parameter in bucket.parameters
            ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _has(self, bucket: Bucket, parameter: Tensor) -> None:
        bucket.waiting -= 1
        while self._sent < len(self.buckets) and not self.buckets[self._sent].waiting:
            self._send(self.buckets[self._sent])

    def _send(self, bucket: Bucket) -> None:
        bucket.flat = torch.cat([_dense(parameter).reshape(-1) for parameter in bucket.parameters])
        for parameter in bucket.parameters:
            parameter.grad = None  # No longer needed, now that it lies in the bucket.
        bucket.work = self.group.allreduce([bucket.flat])
        self._sent += 1

    def finish(self, losses: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        """Send the rest, wait for all, and give each parameter its part; the losses go with them."""
        while self._sent < len(self.buckets):
            self._send(self.buckets[self._sent])
        self._sent = 0
        found = losses_of_all(losses, rows, self.norms, self.group)
        for bucket in self.buckets:
            bucket.work.wait()
            sizes = [parameter.numel() for parameter in bucket.parameters]
            for parameter, part in zip(bucket.parameters, bucket.flat.split(sizes), strict=True):
                parameter.grad = part.view(parameter.shape)
            bucket.flat = bucket.work = None
        return found


@torch.no_grad()
def losses_of_all(
    losses: Mapping[str, Tensor], rows: int, norms: Sequence[BatchNorm], group: Group
) -> dict[str, Tensor]:
    """The losses' sums; the running statistics of these norms become their mean, weighted by the rows."""
    running = [each for norm in norms for each in (norm.running_mean, norm.running_var)]
    device = next(iter(losses.values())).device
    parts = [torch.tensor([float(rows)], device=device), *losses.values(), *(rows * each for each in running)]
    flat = torch.cat([part.detach().double().reshape(-1) for part in parts])
    group.allreduce([flat]).wait()
    count, *found = flat.split([part.numel() for part in parts])
    for each, total in zip(running, found[len(losses) :], strict=True):
        each.copy_((total / count).to(each.dtype).view(each.shape))
    return {name: total.squeeze() for name, total in zip(losses, found, strict=False)}


def norms_of(model: nn.Module, replicas: TorchReplicas) -> list[BatchNorm]:
    """The batch norms whose statistics are each replica's own; those of all are told whom to ask."""
    norms = [module for module in model.modules() if isinstance(module, BatchNorm) and not module.fixed]
    for norm in norms:
        norm.group = replicas.group
    return [norm for norm in norms if not norm.synchronized]


def _buckets(parameters: Sequence[nn.Parameter]) -> list[Bucket]:
    found: list[Bucket] = []
    room: dict[torch.dtype, int] = {}
    last: dict[torch.dtype, Bucket] = {}
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if room.get(parameter.dtype, 0) < size:
            last[parameter.dtype] = Bucket([])
            found.append(last[parameter.dtype])
            room[parameter.dtype] = BUCKET
        last[parameter.dtype].parameters.append(parameter)
        room[parameter.dtype] -= size
    return found


def _dense(parameter: nn.Parameter) -> Tensor:
    """A parameter's gradient; zeros where it has none."""
    gradient = parameter.grad
    if gradient is None:
        return torch.zeros_like(parameter)
    return gradient.to_dense() if gradient.is_sparse else gradient


def sums_of(model: nn.Module, parameters: Sequence[nn.Parameter], replicas: object) -> Sums:
    """What a model in training needs to be one of these replicas."""
    if not isinstance(replicas, TorchReplicas):
        for module in model.modules():
            if isinstance(module, BatchNorm):
                module.synchronized = False  # Its batch is the whole one, whatever the process has joined.
        return OwnAlone()
    return BucketSums(parameters, norms_of(model, replicas), replicas)
