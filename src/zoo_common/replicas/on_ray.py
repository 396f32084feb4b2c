"""Replicas on a Ray cluster: Ray Train finds a place for each, and another for what was lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo_common.replicas.environment import Environment
from zoo_common.replicas.launcher import Outcome, run_one, until_done
from zoo_common.replicas.meeting import free_port
from zoo_spec.errors import EnvironmentFault
from zoo_spec.importing import require_extra

_SETTINGS = {"RAY_TRAIN_V2_ENABLED": "1", "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
"""Ray would write a token into the home folder, and send what it is used for."""
_STORE_BYTES = 100 << 20
"""Of a local cluster's shared memory, which replicas have no use for; Ray takes a third of the machine's."""


@dataclass(frozen=True)
class Asked:
    """What each replica runs, and in which folder."""

    arguments: tuple[str, ...]
    folder: str
    frozen_after: float | None


class ReplicaEndedError(Exception):
    """A replica that did not come to the end of its work: its outcome, as it travels from its machine."""

    def __init__(self, rank: int, status: int, line: str, may_pass: bool) -> None:
        super().__init__(rank, status, line, may_pass)
        self.rank, self.status, self.line, self.may_pass = rank, status, line, may_pass


def launch_on_ray(
    arguments: Sequence[str],
    count: int,
    *,
    least: int | None = None,
    gpus: bool = True,
    frozen_after: float | None = None,
    restarts: int = 0,
) -> int:
    """Run ``zoo`` with these arguments as ``count`` replicas on a Ray cluster, and return the job's exit status.

    The cluster is the one that RAY_ADDRESS names or that runs on this machine, else one of this machine alone. After
    a replica or a machine was lost, all are started again, ``restarts`` times at most, as many as there then is room
    for, ``least`` or more. With ``gpus`` each takes one, where the cluster has any.

    Raises EnvironmentFault where Ray is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for module in ("ray", "ray.train"):
        require_extra(module, library="Ray Train", extra="ray", what="--cluster ray")
    import ray

    is_local = _begin(count)
    try:
        takes_gpu = gpus and ray.cluster_resources().get("GPU", 0) >= 1
        workers = count if least is None else (least, count)
        asked = Asked(tuple(arguments), os.getcwd(), frozen_after)
        return until_done(lambda: _attempt(asked, workers, takes_gpu, is_local), restarts)
    finally:
        ray.shutdown()


def _begin(count: int) -> bool:
    """Join the cluster; whether it is one of this machine alone, which ends with this process."""
    import ray

    try:
        ray.init(address="auto", logging_level="ERROR")
    except ConnectionError:
        cores = max(os.cpu_count() or 1, count)
        store = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
        ray.init(address="local", num_cpus=cores, logging_level="ERROR", **store)
        return True
    return False


def _attempt(asked: Asked, workers: int | tuple[int, int], takes_gpu: bool, is_local: bool) -> Outcome:
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    class Trainer(DataParallelTrainer):  # type: ignore[misc]  # Ray is imported here alone.
        """Ray's, without a watch over what a lost driver leaves, which needs a dashboard that is not there."""

        def _create_default_callbacks(self) -> list[object]:
            found: list[object] = super()._create_default_callbacks()
            watch = "PlacementGroupCleanerCallback"
            return [each for each in found if not (is_local and type(each).__name__ == watch)]

    # Ray wants a folder that all machines see, for checkpoints of its own, of which there are none.
    with tempfile.TemporaryDirectory(prefix=".zoo-ray-", dir=asked.folder) as storage:
        trainer = Trainer(
            replica,
            train_loop_config={"asked": asked},
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=takes_gpu),
            run_config=RunConfig(
                name="zoo",
                storage_path=storage,
                failure_config=FailureConfig(max_failures=0),
                logging_config=LoggingConfig(log_level="CRITICAL"),  # Why a job ends is said once.
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            return _outcome(error)
    return Outcome(0)


def _outcome(error: Exception) -> Outcome:
    """Why a job ended: what a replica said of itself, and of several what cannot pass; else a machine is gone."""
    failures: dict[int, BaseException] = getattr(error, "worker_failures", {})
    ended = [each for each in map(_said, failures.values()) if each is not None]
    if not ended:
        line = f"the cluster has lost a replica, and the job ends: {str(error).strip().splitlines()[-1]}"
        return Outcome(EnvironmentFault.exit_status, line, may_pass=True)
    first = min(ended, key=lambda each: (each.may_pass, each.rank))
    return Outcome(first.status, first.line, may_pass=first.may_pass)


def _said(error: BaseException | None) -> ReplicaEndedError | None:
    """What a replica raised, which Ray may have wrapped."""
    while error is not None and not isinstance(error, ReplicaEndedError):
        error = getattr(error, "_base_exc", None) or error.__cause__
    return error


def replica(given: Mapping[str, Asked]) -> None:
    """One replica, in a process of its own beside Ray's; raises ReplicaEndedError unless it came to its end."""
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero
    from ray.util import get_node_ip_address

    asked, context = given["asked"], get_context()
    rank, size, beside = context.get_world_rank(), context.get_world_size(), context.get_local_world_size()
    first = broadcast_from_rank_zero(f"{get_node_ip_address()}:{free_port()}" if rank == 0 else None)
    try:
        os.chdir(asked.folder)
    except OSError as error:
        line = (
            f"replica {rank}: {asked.folder} is not on its machine, {get_node_ip_address()}: {error.strerror}; start "
            "the job in a folder that all machines share"
        )
        raise ReplicaEndedError(rank, EnvironmentFault.exit_status, line, may_pass=False) from error
    # Ray shows a worker no GPU but its own.
    alone = "," not in os.environ.get("CUDA_VISIBLE_DEVICES", "")
    environment = Environment(rank, size, 0 if alone else context.get_local_rank(), first)
    outcome = run_one(asked.arguments, environment, beside, asked.frozen_after)
    if outcome.status:
        raise ReplicaEndedError(rank, outcome.status, outcome.line, outcome.may_pass)
