"""Replicas on a Ray cluster, with Ray's own part of it played: where they run, and when they are started again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import pytest

from zoo_common.cli.replicas import Cluster, _without
from zoo_common.replicas import on_ray
from zoo_common.replicas.launcher import Outcome
from zoo_common.replicas.on_ray import ReplicaEndedError, launch_on_ray
from zoo_spec.errors import EnvironmentFault, InputError


class FakeRay:
    """A cluster that runs each replica in a thread; ``lost`` are the attempts that lose a machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lost: int = 0, gpus: int = 0) -> None:
        self.lost, self.scaling, self.is_shut = lost, [], False
        self._rank = threading.local()
        self._barrier, self._told = threading.Barrier(2), None
        ray = self

        class WorkerGroupError(Exception):
            def __init__(self, failures: dict[int, Exception]) -> None:
                super().__init__("Training failed due to worker errors:\nthe actor died")
                self.worker_failures = failures

        class Trainer:
            def __init__(self, loop: Callable, *, train_loop_config, scaling_config, run_config) -> None:
                self.loop, self.config = loop, train_loop_config
                ray.scaling.append(scaling_config)

            def _create_default_callbacks(self) -> list[object]:
                return []

            def fit(self) -> None:
                if ray.lost:
                    ray.lost -= 1
                    raise WorkerGroupError({1: RuntimeError("the actor died")})
                with ThreadPoolExecutor(2) as pool:
                    ended = list(pool.map(lambda rank: ray.run(rank, self.loop, self.config), range(2)))
                failures = {rank: error for rank, error in enumerate(ended) if error is not None}
                if failures:
                    raise WorkerGroupError(failures)

        def init(address: str, **options: object) -> None:
            if address == "auto":
                raise ConnectionError("no cluster here")

        record = SimpleNamespace
        modules = {
            "ray": {
                "init": init,
                "shutdown": self.shut,
                "cluster_resources": lambda: {"CPU": 2.0, "GPU": gpus},
            },
            "ray.util": {"get_node_ip_address": lambda: "127.0.0.1"},
            "ray.train": {
                **dict.fromkeys(("FailureConfig", "LoggingConfig", "RunConfig", "ScalingConfig"), record),
                "TrainingFailedError": WorkerGroupError,
                "get_context": lambda: record(
                    get_world_rank=lambda: self._rank.number,
                    get_world_size=lambda: 2,
                    get_local_world_size=lambda: 2,
                    get_local_rank=lambda: self._rank.number,
                ),
            },
            "ray.train.collective": {"broadcast_from_rank_zero": self.told},
            "ray.train.v2": {},
            "ray.train.v2.api": {},
            "ray.train.v2.api.data_parallel_trainer": {"DataParallelTrainer": Trainer},
        }
        for name, content in modules.items():
            module = ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)

    def run(self, rank: int, loop: Callable, config: dict) -> Exception | None:
        self._rank.number = rank
        try:
            loop(config)
        except ReplicaEndedError as error:
            return error
        return None

    def told(self, data: object) -> object:
        if self._rank.number == 0:
            self._told = data
        self._barrier.wait(timeout=20)
        return self._told

    def shut(self) -> None:
        self.is_shut = True


def test_each_replica_learns_who_it_is_and_where_the_first_is_met(monkeypatch):
    ray, found = FakeRay(monkeypatch, gpus=2), []
    monkeypatch.setattr(on_ray, "run_one", lambda *given: found.append(given) or Outcome(0))
    assert launch_on_ray(["train", "--spec", "x"], 2, frozen_after=7.0) == 0
    assert sorted((given[1].rank, given[1].size, given[2], given[3]) for given in found) == [
        (0, 2, 2, 7.0),
        (1, 2, 2, 7.0),
    ]
    assert {given[0] for given in found} == {("train", "--spec", "x")}
    (first,) = {given[1].first for given in found}
    assert first.startswith("127.0.0.1:")
    assert (ray.scaling[0].num_workers, ray.scaling[0].use_gpu, ray.is_shut) == (2, True, True)


def test_a_replica_is_a_process_of_its_own_whose_mistake_is_not_tried_again(monkeypatch, capfd):
    ray = FakeRay(monkeypatch)
    assert launch_on_ray(["list", "--no-such-option"], 2, restarts=3) == 2
    assert len(ray.scaling) == 1
    assert "no-such-option" in capfd.readouterr().err


def test_a_lost_machine_is_made_up_for_by_as_few_as_are_allowed(monkeypatch, capfd):
    ray = FakeRay(monkeypatch, lost=2)
    monkeypatch.setattr(on_ray, "run_one", lambda *given: Outcome(0))
    assert launch_on_ray(["train"], 2, least=1, restarts=2) == 0
    assert [each.num_workers for each in ray.scaling] == [(1, 2)] * 3
    said = capfd.readouterr().err
    assert (
        "lost a replica, and the job ends: the actor died; started again from the last checkpoint (2 of 2)"
        in said
    )


def test_a_machine_that_stays_lost_ends_the_job(monkeypatch):
    ray = FakeRay(monkeypatch, lost=2)
    assert launch_on_ray(["train"], 2, restarts=1) == EnvironmentFault.exit_status
    assert len(ray.scaling) == 2


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentFault, match=r"Ray Train, which .*: pip install 'dualzoo\[ray\]'"):
        launch_on_ray(["train"], 2)


@pytest.mark.parametrize(
    ("cluster", "count", "says"),
    [
        (Cluster("yarn"), 2, "no cluster 'yarn'; there is: ray"),
        (Cluster("ray"), None, "--cluster ray needs --replicas"),
        (Cluster(least=1), 2, "--min-replicas goes with --cluster"),
        (Cluster("ray", least=3), 2, "--min-replicas is 3, and --replicas 2"),
    ],
)
def test_options_that_do_not_go_together_are_refused_by_name(cluster, count, says):
    with pytest.raises(InputError, match=says):
        cluster.check(count)


def test_a_replica_is_not_told_how_replicas_are_started():
    given = ["train", "--replicas", "2", "--cluster=ray", "--spec", "x", "--max-restarts", "1"]
    assert _without(given, ("--replicas", "--cluster", "--max-restarts")) == ["train", "--spec", "x"]
