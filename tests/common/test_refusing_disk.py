"""A disk that is full or may not be written ends a run with one clear error; what was saved stays good."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from typer.testing import CliRunner

from hard_disk import little_room, read_only
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows has no file-size limit, and other permissions"
)

FRAMEWORKS = ("tf", "torch")
SMALL, LARGE = 2, 400
"""Hidden sizes: of a checkpoint of a few KB, and of one that no limit here has room for."""
BEFORE, FEW, STEPS = 2, 4, 20
ROOM = 400_000
LITTLE = 4_500


def zoo(framework, directory, steps, hidden_size=SMALL):
    changes = [
        "model.image_size=[12, 12]",
        f"model.hidden_sizes=[{hidden_size}]",
        "data.kind=generated",
        f"training.steps={steps}",
        "training.batch_size=4",
        "training.save_every=1",
        "training.log_every=1",
        "training.schedule={kind: constant}",  # One that the number of steps does not change.
    ]
    options = [part for change in changes for part in ("--set", change)]
    where = ["--run-dir", str(directory), "--device", "cpu"]
    return CliRunner().invoke(
        application(), ["train", "--framework", framework, "--spec", "mnist_fc", *options, *where]
    )


def assert_one_error(found, status, *says):
    assert found.exit_code == status, found.output
    *_, last = found.stderr.splitlines()
    for text in says:
        assert text in last
    assert "Traceback" not in found.stderr
    assert found.stderr.count(says[0]) == 1


def newest(directory):
    return CheckpointStore(directory / "checkpoints").latest()


def assert_goes_on(framework, directory, hidden_size=SMALL, last=STEPS):
    """With room again, the same command comes to the end of the run, as if nothing had been."""
    assert newest(directory).step >= BEFORE
    found = zoo(framework, directory, last, hidden_size)
    assert found.exit_code == 0, found.output
    straight = directory.with_name("straight")
    assert zoo(framework, straight, last, hidden_size).exit_code == 0
    ours, theirs = newest(directory), newest(straight)
    assert (ours.step, theirs.step) == (last, last)
    for name in ("weights.safetensors", "optimizer.safetensors"):
        assert (ours.path / name).read_bytes() == (theirs.path / name).read_bytes(), name
    steps = [record["step"] for record in records(directory) if record["split"] == "train"]
    assert steps == list(range(1, last + 1))


def records(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def grow(file):
    """Make a file almost as long as a file may be, by a record or a line that is none too strange."""
    room = ROOM - file.stat().st_size - 60
    if file.suffix == ".jsonl":
        first, rest = file.read_text().split("\n", 1)
        file.write_text(json.dumps({**json.loads(first), "note": "x" * (room - 12)}) + "\n" + rest)
    else:
        file.write_text(file.read_text() + "x" * room + "\n")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("place", ["checkpoints", "metrics.jsonl", "log.txt", "events"])
def test_a_full_disk_is_status_3_and_the_run_goes_on_when_there_is_room(framework, place, tmp_path):
    directory = tmp_path / "run"
    hidden_size, last = (LARGE, FEW) if place == "checkpoints" else (SMALL, STEPS)
    assert zoo(framework, directory, BEFORE, hidden_size).exit_code == 0
    if place in ("metrics.jsonl", "log.txt"):
        grow(directory / place)
    with little_room(LITTLE if place == "events" else ROOM):
        full = zoo(framework, directory, last, hidden_size)
    assert_one_error(full, 3, "File too large", str(directory / place), "free some room")
    assert_goes_on(framework, directory, hidden_size, last)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("place", ["checkpoints", "events/train", "."])
def test_a_read_only_directory_is_status_3_and_the_run_goes_on_when_it_is_not(framework, place, tmp_path):
    directory = tmp_path / "run"
    assert zoo(framework, directory, BEFORE).exit_code == 0
    with read_only(directory / place):
        refused = zoo(framework, directory, FEW)
    assert_one_error(refused, 3, "Permission denied", str(directory), "make it accessible")
    assert newest(directory).step == BEFORE
    assert_goes_on(framework, directory, last=FEW)


def test_a_new_run_in_a_read_only_directory_is_refused_and_leaves_nothing(tmp_path):
    with read_only(tmp_path):
        refused = zoo("torch", tmp_path / "run", STEPS)
    assert_one_error(refused, 3, "cannot make the run directory", "Permission denied")
    assert not list(tmp_path.iterdir())


def test_a_new_run_on_a_disk_without_room_leaves_nothing(tmp_path):
    with little_room(ROOM):
        refused = zoo("torch", tmp_path / "run", STEPS, LARGE)
    assert_one_error(refused, 3, "File too large")
    assert not list(tmp_path.iterdir())


def test_a_run_in_a_read_only_directory_is_evaluated(tmp_path):
    directory = tmp_path / "run"
    assert zoo("torch", directory, BEFORE).exit_code == 0
    with read_only(directory, directory / "checkpoints"):
        found = CliRunner().invoke(
            application(), ["eval", "--framework", "torch", "--run-dir", str(directory), "--device", "cpu"]
        )
    assert found.exit_code == 0, found.output


def test_files_are_whole_again_where_a_full_disk_cut_them(tmp_path):
    directory = tmp_path / "run"
    assert zoo("torch", directory, BEFORE).exit_code == 0
    grow(directory / "metrics.jsonl")
    with little_room(ROOM):
        zoo("torch", directory, STEPS)
    raw = (directory / "metrics.jsonl").read_bytes()
    assert not raw.endswith(b"\n"), "the limit cut no line, so this shows nothing"
    shutil.copytree(directory, tmp_path / "copy")
    assert zoo("torch", tmp_path / "copy", STEPS).exit_code == 0
    assert len(records(tmp_path / "copy")) == len(records(directory.with_name("copy"))) > STEPS
