"""A run goes on resident or streamed, in either framework, from the same checkpoints, with no conversion."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow  # noqa: F401 - before its settings for tests are made

from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.streaming.stored import Stored
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault

SIZES = (
    "hidden_size=8",
    "num_heads=2",
    "num_layers=3",
    "intermediate_size=12",
    "vocab_size=20",
    "max_positions=6",
)
TRAINING = (
    "batch_size=4",
    "micro_batch_size=2",
    "steps=6",
    "save_every=2",
    "recompute=true",
    "random=portable",
)
RESIDENT, STREAMED = "training.execution=resident", "training.execution=weight_streaming"
PRECISE = "training.precision=float64"


def run(directory, framework, *more):
    changes = [*(f"model.{each}" for each in SIZES), *(f"training.{each}" for each in TRAINING), *more]
    spec = load_spec("gpt3_tiny", [*changes, "model.dropout=0.1", "data.kind=generated"])
    return spec_run(find_backend(framework)(), spec, directory, device="cpu", quiet=True)


def trained(directory, *legs):
    """What runs in one directory leave, one after the other: a framework, what is changed, and up to which step."""
    for framework, more, stop in legs:
        run(directory, framework, *more).train(max_steps=stop)
    found = CheckpointStore(directory / "checkpoints").latest()
    assert found.step == legs[-1][2]
    return {**found.weights(), **found.optimizer()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.fixture(scope="module", params=["torch", "tf"])
def resident(request, tmp_path_factory):
    """A framework, and what an undisturbed run leaves whose weights are in memory."""
    return request.param, trained(tmp_path_factory.mktemp("resident") / "run", (request.param, (), 6))


def test_a_run_goes_from_streamed_to_resident_and_back_with_the_same_bits(resident, tmp_path):
    framework, straight = resident
    legs = [
        (framework, (execution,), stop) for execution, stop in ((STREAMED, 2), (RESIDENT, 3), (STREAMED, 6))
    ]
    assert_same(trained(tmp_path / "run", *legs), straight)
    if framework == "torch":  # TensorFlow holds a model that was traced until the process ends.
        gc.collect()
        assert not (tmp_path / "run" / "working").exists()


def test_a_streamed_run_goes_from_framework_to_framework(tmp_path):
    straight = trained(tmp_path / "straight", ("torch", (PRECISE,), 6))
    legs = [("torch", (STREAMED,), 2), ("tf", (STREAMED,), 4), ("torch", (RESIDENT,), 6)]
    found = trained(
        tmp_path / "run", *((framework, (PRECISE, *more), stop) for framework, more, stop in legs)
    )
    for name, value in straight.items():
        assert np.abs(found[name] - value).max() <= 1e-12 * max(1.0, np.abs(value).max()), name


def test_an_evaluation_of_a_streamed_run_reads_its_checkpoint_and_writes_nothing(tmp_path):
    trained(tmp_path / "run", ("torch", (STREAMED,), 2))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    losses = [run(tmp_path / "run", "torch", more).evaluate()["loss"] for more in (RESIDENT, STREAMED)]
    assert losses[0] == losses[1]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_run_that_goes_on_lets_go_of_the_files_that_it_began_with_once_it_has_its_own(
    resident, tmp_path, monkeypatch
):
    """Or they would take the disk's room, as much as a checkpoint, also when they are removed."""
    framework, _ = resident
    trained(tmp_path / "run", (framework, (STREAMED,), 2))
    opened, held, latest, moved = weakref.WeakSet(), [], CheckpointStore.latest, Stored.moved

    def noted(store):
        found = latest(store)
        opened.add(found)
        return found

    def counted(stored, path):
        if not held:
            gc.collect()
            held.append(len(opened))
        moved(stored, path)

    monkeypatch.setattr(CheckpointStore, "latest", noted)
    monkeypatch.setattr(Stored, "moved", counted)
    run(tmp_path / "run", framework, STREAMED).train(max_steps=4)
    assert held == [0]


def damage(stored, pieces, *, write=Stored.write):
    count = write(stored, pieces)
    if stored.path.name == "unit-00002.weights":
        content = stored.path.read_bytes()
        stored.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return count


def refuse(stored, pieces):
    raise EnvironmentFault(f"cannot write {stored.path}: No space left on device")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [(damage, "unit-00002.weights: has other values of decoder.layers.1"), (refuse, "No space left")],
)
def test_a_file_that_goes_wrong_in_a_step_is_named_and_the_same_command_goes_on(
    resident, wrong, says, tmp_path, monkeypatch
):
    framework, straight = resident
    directory = tmp_path / "run"
    trained(directory, (framework, (STREAMED,), 2))
    with monkeypatch.context() as patch:
        patch.setattr(Stored, "write", wrong)
        with pytest.raises(EnvironmentFault, match=says):
            run(directory, framework, STREAMED).train()
    assert_same(trained(directory, (framework, (STREAMED,), 6)), straight)
