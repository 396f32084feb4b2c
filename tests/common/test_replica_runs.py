"""A run of several replicas is the run of one process: by threads, and a backend that needs no framework."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module

import numpy as np
import pytest

from replica_threads import NumpyBackend, Room
from zoo_common.backend import State
from zoo_common.checkpoint import CheckpointStore
from zoo_common.replicas import ALONE, Environment, PeerFailedError, PeerLostError, ToldError, same
from zoo_common.training.evaluation import evaluate_batches
from zoo_common.training.run_config import RunConfig
from zoo_common.training.saving_parts import save_parts
from zoo_common.training.spec_run import run_of, spec_run
from zoo_common.training.spread import brought, in_turn
from zoo_common.training.stop import StopRequest
from zoo_common.training.stopping import stopping
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.errors import InputError

SETTINGS = (
    "model.image_size=[12, 12]",
    "model.hidden_sizes=[32]",
    "data.kind=generated",
    "training.precision=float64",
    "training.steps=6",
    "training.batch_size=7",
    "training.save_every=3",
    "training.optimizer={kind: sgd, learning_rate: 0.2, momentum: 0.9, max_gradient_norm: 0.5}",
)


def trained(run, replicas, *overrides, **named):
    return spec_run(
        NumpyBackend(), load_spec("mnist_fc", [*SETTINGS, *overrides]), run, quiet=True, replicas=replicas
    ).train(**named)


def state(run):
    checkpoint = CheckpointStore(run / "checkpoints").latest()
    return {
        **{name: checkpoint.weights()[name] for name in checkpoint.weights()},
        **{name: checkpoint.optimizer()[name] for name in checkpoint.optimizer()},
    }


def numbers(records):
    return [
        {name: value for name, value in each.items() if isinstance(value, int | float)} for each in records
    ]


@pytest.mark.parametrize(("size", "micro"), [(2, "null"), (3, "1"), (9, "7")])
def test_replicas_do_what_one_process_does(tmp_path, size, micro):
    micro = f"training.micro_batch_size={micro}"
    alone = trained(tmp_path / "one", ALONE, micro)
    found = Room(size).each(lambda replicas: trained(tmp_path / "many", replicas, micro))
    for each in found:
        for mine, theirs in zip(numbers(each), numbers(alone), strict=True):
            assert mine == pytest.approx(theirs, rel=0, abs=1e-12)
    one, many = state(tmp_path / "one"), state(tmp_path / "many")
    assert one.keys() == many.keys()
    for name, value in one.items():
        np.testing.assert_allclose(many[name], value, rtol=0, atol=1e-12)
    lines = (tmp_path / "many" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines if "train" in line] == [1, 2, 3, 4, 5, 6]


def test_replicas_without_rows_are_told_by_number(tmp_path, caplog):
    Room(8).each(lambda replicas: trained(tmp_path / "run", replicas, max_steps=1))
    (line,) = {each.getMessage() for each in caplog.records if "replicas, and a step" in each.getMessage()}
    assert "those from 7 on have nothing to compute" in line


def test_a_strategy_in_the_place_of_the_environment_is_refused_with_the_remedy():
    with pytest.raises(InputError, match="give 'environment'"):
        RunConfig(train_distribute=object())


def test_a_runner_joins_what_its_environment_speaks_of(tmp_path, monkeypatch):
    met = []
    monkeypatch.setattr(NumpyBackend, "join", lambda self, environment: met.append(environment) or ALONE)
    for name, value in Environment(1, 2, 1, "localhost:5").variables().items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        run_of(
            NumpyBackend(), load_spec("mnist_fc"), tmp_path, RunConfig(train_distribute="environment"), None
        )
    run_of(NumpyBackend(), load_spec("mnist_fc"), tmp_path, RunConfig(), None)
    assert [(each.rank, each.size, each.first) for each in met] == [(1, 2, "localhost:5")]


def test_a_run_of_three_goes_on_with_two_and_with_one(tmp_path):
    trained(tmp_path / "one", ALONE)
    Room(3).each(lambda replicas: trained(tmp_path / "many", replicas, max_steps=2))
    Room(2).each(lambda replicas: trained(tmp_path / "many", replicas, max_steps=4))
    trained(tmp_path / "many", ALONE)
    for name, value in state(tmp_path / "one").items():
        np.testing.assert_allclose(state(tmp_path / "many")[name], value, rtol=0, atol=1e-12)


def test_without_a_directory_all_use_that_of_the_first(tmp_path):
    first, second = Room(2).each(lambda replicas: trained(None, replicas))
    assert numbers(first) == numbers(second)


def test_replicas_of_two_specs_are_told_apart_by_name(tmp_path):
    found = Room(3).each(
        lambda replicas: trained(tmp_path / "run", replicas, f"training.seed={min(replicas.rank, 1)}")
    )
    assert [type(each) for each in found] == [InputError, ToldError, ToldError]
    first, *lines = str(found[0]).splitlines()
    assert first == "the replicas disagree on what to train; start all of them with the same:"
    assert lines == ["  training.seed: 0 on replica 0, 1 on replicas 1 and 2"]
    assert not (tmp_path / "run").exists()


def test_replicas_of_other_code_are_told_apart_by_name(tmp_path, monkeypatch):
    hashes = iter(["abc", "def"])
    monkeypatch.setattr("zoo_common.training.run.code_hash", lambda: next(hashes))
    first, _ = Room(2).each(lambda replicas: trained(tmp_path / "run", replicas))
    assert "disagree on the versions" in str(first)
    line = str(first).splitlines()[1]
    assert line.strip() in [f"hash of the code: {a} on replica 0, {b} on replica 1" for a, b in PAIRS]


PAIRS = [("abc", "def"), ("def", "abc")]
"""Whichever thread asks first."""


def test_of_many_fields_on_which_replicas_disagree_the_first_are_named_and_the_others_counted():
    def ask(replicas):
        fields = {f"field {index}": str(index * replicas.rank) for index in range(13)}
        with pytest.raises((InputError, ToldError)) as refusal:
            same(replicas, "numbers", str(replicas.rank), {**fields, "own": "x"} if replicas.rank else fields)
        return str(refusal.value)

    lines = Room(2).each(ask)[0].splitlines()
    assert lines[1] == "  field 1: 0 on replica 0, 1 on replica 1"  # Of field 0 both have 0.
    assert lines[11:] == ["  and 3 fields more"]


def test_replicas_whose_fields_are_alike_are_told_apart_by_the_whole():
    def ask(replicas):
        with pytest.raises((InputError, ToldError)) as refusal:
            same(replicas, "a thing", f"thing {replicas.rank}", {"alike": "1"})
        return str(refusal.value)

    assert Room(2).each(ask)[0].splitlines()[1:] == ["  replica 0: thing 0", "  replica 1: thing 1"]


def test_a_request_to_end_that_one_has_got_is_that_of_all_at_one_step():
    def ends(replicas):
        request = StopRequest()
        asked = stopping(request, replicas)
        for step in range(1, 100_000):
            request.is_made = replicas.rank == 1 and step >= 3
            if asked.asked(step):
                return step
        return None

    first, second = Room(2).each(ends)
    assert first == second >= 3


def test_a_directory_that_is_not_shared_is_refused_on_all(tmp_path):
    found = Room(3).each(lambda replicas: trained(tmp_path / str(replicas.rank // 2), replicas))
    assert [type(each) for each in found] == [PeerFailedError, ToldError, ToldError]
    assert "replica 2: " in str(found[0])
    assert "is not the directory that replica 0 has" in str(found[0])


def test_what_one_replica_cannot_do_ends_all_with_its_message(tmp_path, monkeypatch):
    def broken(self, *given, **named):
        if named["replicas"].rank == 1:
            raise InputError("there is no room here")
        return original(self, *given, **named)

    original = NumpyBackend.for_training
    monkeypatch.setattr(NumpyBackend, "for_training", broken)
    found = Room(3).each(lambda replicas: trained(tmp_path / "run", replicas))
    assert [type(each) for each in found] == [PeerFailedError, ToldError, ToldError]
    assert str(found[0]) == "replica 1: there is no room here"
    assert found[0].exit_status == 2


def test_replicas_that_are_given_other_batches_end_by_name(tmp_path):
    def batches(rank):
        for step in range(3):
            count = 4 if step == 2 and rank else 5
            yield {"image": np.zeros((count, 12, 12, 1), np.float32), "labels": np.ones(count, np.int32)}

    found = Room(2).each(
        lambda replicas: trained(tmp_path / "run", replicas, input_fn=lambda: batches(replicas.rank))
    )
    assert "disagree on the batch of step 3" in str(found[0])


def test_one_that_dies_takes_the_others_with_it(tmp_path, monkeypatch):
    def dies(self, *given):
        if self.replicas.rank == 1 and self.step == 3:
            raise RuntimeError("a defect")
        return original(self, *given)

    learning = import_module("zoo_numpy.training").Learning
    original = learning.train_step
    monkeypatch.setattr(learning, "train_step", dies)
    found = Room(2).each(lambda replicas: trained(tmp_path / "run", replicas))
    assert [type(each) for each in found] == [PeerLostError, RuntimeError]
    assert CheckpointStore(tmp_path / "run" / "checkpoints").steps() == [3]


def test_replicas_that_have_parts_of_a_model_write_one_checkpoint_together(tmp_path):
    tensors = {name: np.full(3, index, np.float32) for index, name in enumerate("abcde")}

    def save(replicas):
        own = {
            name: value for index, (name, value) in enumerate(tensors.items()) if index % 2 == replicas.rank
        }
        moments = {f"{name}/momentum": -value for name, value in own.items()}
        state = State(own, moments, 4, is_part=True)
        return save_parts(replicas, CheckpointStore(tmp_path), state, {"step": 4}, "hash")

    assert set(Room(2).each(save)) == {tmp_path / "step-00000004"}
    checkpoint = CheckpointStore(tmp_path).latest()
    np.testing.assert_equal(dict(checkpoint.weights()), tensors)
    np.testing.assert_equal(
        dict(checkpoint.optimizer()), {f"{name}/momentum": -value for name, value in tensors.items()}
    )


def test_a_part_that_cannot_be_written_leaves_the_checkpoints_before_it_and_nothing_else(tmp_path):
    def save(replicas, step, fails):
        store = CheckpointStore(tmp_path)
        if replicas.rank and fails:
            store.partial = lambda step: _FullDisk()
        return save_parts(replicas, store, State({}, {}, step, is_part=True), {"step": step}, "hash")

    Room(2).each(lambda replicas: save(replicas, 1, fails=False))
    first, second = Room(2).each(lambda replicas: save(replicas, 2, fails=True))
    assert (type(first), type(second)) == (PeerFailedError, ToldError)
    assert "No space left" in str(first)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


class _FullDisk:
    def write_part(self, *_):
        raise OSError(28, "No space left on device")


def test_an_evaluation_of_several_gives_the_numbers_of_one_also_where_a_metric_needs_all_outputs(tmp_path):
    spec = load_spec("mnist_fc", SETTINGS)
    graph, rng = spec.graph(), np.random.default_rng(5)
    model = NumpyBackend().for_inference(graph, InitialValues(graph.parameters(), 3), dtype="float64")
    batches = [
        {
            "image": rng.normal(size=(count, 12, 12, 1)).astype(np.float32),
            "labels": rng.integers(0, 10, count).astype(np.int32),
        }
        for count in (4, 4, 3, 4, 2)
    ]
    wanted = evaluate_batches(model, spec, graph, batches)
    for size in (2, 4, 7):
        for found in Room(size).each(
            lambda replicas: evaluate_batches(model, spec, graph, batches, replicas=replicas)
        ):
            assert found == pytest.approx(wanted, rel=0, abs=1e-12)
            for mine, theirs in zip(found.classes, wanted.classes, strict=True):
                assert asdict(mine) == pytest.approx(asdict(theirs), rel=0, abs=1e-12)


def test_outputs_that_a_metric_needs_all_of_come_to_the_first_in_the_order_of_the_batches():
    batches = [{"x": np.array([number])} for number in range(5)]

    def come(replicas):
        return [
            (int(batch["x"][0]), int(outputs["y"][0]))
            for turn in in_turn(batches, replicas)
            for batch, outputs in brought(replicas, turn, {"y": turn[0]["x"] * 10, "z": turn[0]["x"]}, {"y"})
        ]

    first, *others = Room(3).each(come)
    assert first == [(number, 10 * number) for number in range(5)]
    assert others == [[], []]
