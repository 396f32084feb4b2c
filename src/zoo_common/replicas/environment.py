"""What a launcher or a cluster's scheduler says of this process among its replicas, in environment variables.

Two conventions are read and written: torchrun's ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and
``MASTER_PORT``, and ``TF_CONFIG``, which names the address of every worker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from zoo_spec.errors import InputError

PATIENCE = 1800.0
"""Seconds after which a replica that does not come counts as gone, where nothing else is said."""


class _Task(BaseModel):
    type: str
    index: int


class _Config(BaseModel):
    cluster: dict[str, list[str]] = {}
    task: _Task | None = None


@dataclass(frozen=True)
class Environment:
    """Which replica this is, of how many, and where the others are met."""

    rank: int
    size: int
    local_rank: int
    """Which one on its machine, and so which of the machine's devices it takes."""
    first: str
    """Where replica 0 is met: host:port."""
    workers: tuple[str, ...] = ()
    """Where each is met, by rank: host:port. Empty where only the first is known."""
    timeout: float = PATIENCE
    """Seconds after which a replica that does not come counts as gone."""

    @classmethod
    def read(cls, variables: Mapping[str, str], timeout: float | None = None) -> Environment | None:
        """What these variables say; None where they speak of no replicas.

        Raises InputError for variables that do not make sense, and where the two conventions disagree.
        """
        patience = PATIENCE if timeout is None else timeout
        by_config, by_rank = _from_config(variables, patience), _from_ranks(variables, patience)
        if by_config is None or by_rank is None:
            return by_config or by_rank
        if (by_config.rank, by_config.size) != (by_rank.rank, by_rank.size):
            raise InputError(
                f"TF_CONFIG says worker {by_config.rank} of {by_config.size}, RANK and WORLD_SIZE say "
                f"{by_rank.rank} of {by_rank.size}; unset those that are not meant"
            )
        return cls(
            by_rank.rank, by_rank.size, by_rank.local_rank, by_rank.first, by_config.workers, by_rank.timeout
        )

    def variables(self) -> dict[str, str]:
        """The variables that say this, in both conventions."""
        host, port = self.first.rsplit(":", 1)
        ranks = {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "MASTER_ADDR": host,
            "MASTER_PORT": port,
        }
        if not self.workers:
            return ranks
        task = {"type": "worker", "index": self.rank}
        return {**ranks, "TF_CONFIG": json.dumps({"cluster": {"worker": list(self.workers)}, "task": task})}


def _from_ranks(variables: Mapping[str, str], timeout: float) -> Environment | None:
    if "RANK" not in variables or "WORLD_SIZE" not in variables:
        return None
    rank, size = _number(variables, "RANK", 0), _number(variables, "WORLD_SIZE", 1)
    local = _number(variables, "LOCAL_RANK", 0) if "LOCAL_RANK" in variables else rank
    if rank >= size:
        raise InputError(f"RANK is {rank} and WORLD_SIZE {size}; ranks are counted from 0")
    lacking = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not variables.get(name)]
    if lacking and size > 1:
        raise InputError(
            f"RANK and WORLD_SIZE are set, and {' and '.join(lacking)} not; start the replicas by torchrun, or set "
            "all four"
        )
    first = f"{variables.get('MASTER_ADDR', 'localhost')}:{variables.get('MASTER_PORT', '0')}"
    return Environment(rank, size, local, first, timeout=timeout)


def _from_config(variables: Mapping[str, str], timeout: float) -> Environment | None:
    if not variables.get("TF_CONFIG"):
        return None
    try:
        config = _Config.model_validate_json(variables["TF_CONFIG"])
    except ValidationError as error:
        raise InputError(
            "TF_CONFIG is not of the form "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
        ) from error
    if not config.cluster or config.task is None:
        return None
    strange = sorted(set(config.cluster) - {"chief", "worker"})
    kinds = [kind for kind in ("chief", "worker") if config.cluster.get(kind)]
    if strange or config.task.type not in kinds:
        raise InputError(
            f"TF_CONFIG has {', '.join(sorted(config.cluster))}, and this process is {config.task.type}; replicas "
            "are a chief, if any, and workers"
        )
    workers = [address for kind in kinds for address in config.cluster[kind]]
    before = len(config.cluster["chief"]) if config.task.type == "worker" and "chief" in kinds else 0
    if not 0 <= config.task.index < len(config.cluster[config.task.type]):
        raise InputError(
            f"TF_CONFIG: task index {config.task.index}, and there are "
            f"{len(config.cluster[config.task.type])} of type {config.task.type}"
        )
    rank = before + config.task.index
    host = _host(workers[rank])
    local = sum(_host(each) == host for each in workers[:rank])
    return Environment(rank, len(workers), local, workers[0], tuple(workers), timeout)


def _host(address: str) -> str:
    return address.rsplit(":", 1)[0]


def _number(variables: Mapping[str, str], name: str, least: int) -> int:
    text = variables[name]
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise InputError(f"{name} is {text!r}; it is a whole number of at least {least}")
    return int(text)
