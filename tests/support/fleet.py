"""Replicas in one process: a thread each, joined by gloo over the machine's own network."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import torch.distributed as dist

from zoo_torch.replicas import TorchReplicas

T = TypeVar("T")


def fleet(size: int, run: Callable[[TorchReplicas], T]) -> list[T]:
    """What ``run`` gives on each of so many replicas, by rank; what one raises is raised."""
    store = dist.HashStore()

    def replica(rank: int) -> T:
        group = dist.ProcessGroupGloo(store, rank, size, timedelta(seconds=60))
        return run(TorchReplicas(group))

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(replica, range(size)))
