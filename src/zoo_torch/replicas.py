"""Replicas on ``torch.distributed``: gloo between CPUs, NCCL between GPUs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist

from zoo_common.backend import Array
from zoo_common.quiet import quiet
from zoo_common.replicas import Environment, PeerLostError, Replicas
from zoo_common.replicas.meeting import lacking, require_size
from zoo_spec.errors import EnvironmentFault
from zoo_torch.statistics import Group

_PAUSE = 0.1
"""Seconds between two looks at who has come."""


_OF_GLOO = ("gloo/", "Application timeout caused pair closure")
"""Each error of gloo's has one of these: where it comes from, or that a replica stands still."""


class TorchReplicas:
    """This process among the others of a group."""

    def __init__(self, group: Group, local_rank: int | None = None) -> None:
        self.group = group
        self.rank: int = group.rank()
        self.size: int = group.size()
        self.local_rank = self.rank if local_rank is None else local_rank

    def sum(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The sums over all replicas, by name, on every one: the same bits."""
        found = {name: torch.from_numpy(np.array(value, order="C")) for name, value in values.items()}
        for dtype in dict.fromkeys(value.dtype for value in found.values()):  # In one order on all of them.
            alike = {name: value for name, value in found.items() if value.dtype == dtype}
            flat = torch.cat([value.reshape(-1) for value in alike.values()])
            with talking():
                self.group.allreduce([flat]).wait()
            for name, part in zip(
                alike, flat.split([value.numel() for value in alike.values()]), strict=True
            ):
                found[name] = part.reshape(alike[name].shape)
        return {name: value.numpy() for name, value in found.items()}

    def gather(self, item: bytes) -> list[bytes]:
        """What each replica gave, by rank, on every one."""
        sizes = [int(size) for size in self._gathered(torch.tensor([len(item)]))]
        padded = torch.zeros(max(*sizes, 1), dtype=torch.uint8)
        padded[: len(item)] = torch.frombuffer(bytearray(item), dtype=torch.uint8) if item else padded[:0]
        found = self._gathered(padded)
        return [each[:size].numpy().tobytes() for each, size in zip(found, sizes, strict=True)]

    def barrier(self) -> None:
        """Return when all have come here."""
        self._gathered(torch.zeros(1))

    def leave(self) -> None:
        """Have no more to do with the others."""
        if dist.is_initialized() and self.group is dist.group.WORLD:
            dist.destroy_process_group()

    def _gathered(self, own: torch.Tensor) -> list[torch.Tensor]:
        each = [torch.empty_like(own) for _ in range(self.size)]
        with talking():
            self.group.allgather([each], [own]).wait()
        return each


def join(environment: Environment) -> TorchReplicas:
    """Meet the others, and take this replica's own GPU where there are some.

    Raises PeerLostError where one does not come in time, EnvironmentFault where the address to meet at is taken;
    where one is of another number of replicas, InputError on the first, ToldError on it.
    """
    patience = timedelta(seconds=environment.timeout)
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        if environment.local_rank < torch.cuda.device_count():
            torch.cuda.set_device(environment.local_rank)
    with talking():
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            # torchrun keeps the store itself, and tells its attempts apart in it.
            dist.init_process_group(backend, timeout=patience)
        else:
            host, port = environment.first.rsplit(":", 1)
            is_first = environment.rank == 0
            store: dist.TCPStore | RuntimeError
            with quiet():  # Where something else listens there, thirty lines of C++.
                try:
                    store = dist.TCPStore(
                        host, int(port), environment.size, is_first, patience, wait_for_workers=False
                    )
                except RuntimeError as error:
                    store = error
            if isinstance(store, RuntimeError):
                if is_first and "EADDRINUSE" in str(store):
                    raise EnvironmentFault(
                        f"the replicas cannot meet at {environment.first}, for the port is in use; give another"
                    ) from store
                if not is_first and isinstance(store, dist.DistError):
                    raise PeerLostError(
                        f"replica {environment.rank} met no other at {environment.first}: {_said(store)}; start them "
                        "together, and if something else listens there, give another port (MASTER_PORT)"
                    ) from store
                raise store
            meet(store, environment)
            dist.init_process_group(
                backend, store=store, rank=environment.rank, world_size=environment.size, timeout=patience
            )
    return TorchReplicas(dist.group.WORLD, environment.local_rank)


def meet(store: dist.Store, environment: Environment) -> None:
    """Return when all have come; errors are those of ``zoo_common.replicas.addresses``."""
    if environment.rank:
        size = int(store.get("zoo/size"))
        store.set(f"zoo/size/{environment.rank}", str(environment.size))  # Then the first may end.
        require_size(environment, 0, size)
        return
    store.set("zoo/size", str(environment.size))
    found, ends = {0}, time.monotonic() + environment.timeout
    while len(found) < environment.size:
        came = {
            rank
            for rank in range(environment.size)
            if rank not in found and store.check([f"zoo/size/{rank}"])
        }
        for rank in sorted(came):
            require_size(environment, rank, int(store.get(f"zoo/size/{rank}")))
        found |= came
        if not came:
            if time.monotonic() > ends:
                raise lacking(environment, found)
            time.sleep(_PAUSE)


def require_own_device(replicas: Replicas, device: str) -> None:
    """Raise EnvironmentFault where a replica is to compute on a GPU and there is none that is its own."""
    if not isinstance(replicas, TorchReplicas) or device not in ("auto", "gpu"):
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if 0 < count <= replicas.local_rank:
        raise EnvironmentFault(
            f"replica {replicas.rank} has no GPU of its own: this machine has {count}; start as many replicas on it, "
            "or give --device cpu"
        )


@contextlib.contextmanager
def talking() -> Iterator[None]:
    """Raise PeerLostError for what torch raises where another process has gone, or does not answer in time."""
    try:
        yield
    except RuntimeError as error:
        if not _is_of_a_peer(error):
            raise
        raise PeerLostError(f"another replica has gone, or does not answer: {_said(error)}") from error


def _said(error: RuntimeError) -> str:
    """The reason, without where in torch's source it is."""
    return str(error).splitlines()[0].partition("] ")[2].partition(". ")[0] or str(error).splitlines()[0]


def _is_of_a_peer(error: RuntimeError) -> bool:
    """gloo raises plain RuntimeErrors, most of which name its source; NCCL and the store have errors of their own."""
    return isinstance(error, dist.DistError) or any(each in str(error) for each in _OF_GLOO)
