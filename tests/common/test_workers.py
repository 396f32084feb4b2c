"""Batches of processes of their own: the same ones, in order, and no process left whatever happens."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from small_runs import text_file
from zoo_common.data import Recipe, ahead, batches_by, open_dataset
from zoo_common.data.processes import Processes
from zoo_common.data.worker import Failed
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, InputError, Problem, SpecError
from zoo_spec.reading import UnreadableFileError

ENDS_WITHIN = 30
"""Seconds, where a process ends in one or two."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = [f"data.files=[{text_file(folder)}]", "data.kind=text", "data.sequence_length=16"]
    spec = load_spec("bert_tiny", [*settings, "data.max_predictions=4", "training.batch_size=4"])
    return Recipe(spec, folder), open_dataset(spec, folder, "train")


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def require_ended(ids):
    alive = [psutil.Process(each) for each in ids if psutil.pid_exists(each)]
    _, left = psutil.wait_procs(alive, timeout=ENDS_WITHIN)
    assert not left


@pytest.mark.parametrize("workers", [0, 2])
def test_any_number_of_processes_makes_the_batches_of_this_one_in_order(opened, workers):
    recipe, dataset = opened
    found = list(batches_by(workers, recipe, dataset, 5, 17))
    assert len(found) == 12
    assert all(same(each, recipe.batch(dataset, step)) for step, each in enumerate(found, 5))
    found[0]["input_ids"][:] = 0  # As arrays of one's own.


def test_processes_take_over_in_the_middle_where_they_pay(opened, monkeypatch, caplog):
    recipe, dataset = opened
    asked = []

    def worth(waited, elapsed, steps, left, cores):
        asked.append((steps, left))
        return 2

    monkeypatch.setattr(ahead, "worth", worth)
    caplog.set_level("INFO", "zoo")
    found = list(batches_by(None, recipe, dataset, 3, 60))
    assert asked == [(32, 17)]
    assert "2 worker processes make them from now on" in caplog.text
    assert len(found) == 57
    assert all(same(each, recipe.batch(dataset, step)) for step, each in enumerate(found, 3))


def test_there_are_no_more_processes_than_steps(opened):
    recipe, dataset = opened
    me = psutil.Process()
    before = set(me.children())
    found = batches_by(64, recipe, dataset, 0, 2)
    assert len(set(me.children()) - before) == 2
    assert len(list(found)) == 2
    assert set(me.children()) == before


def test_a_process_that_is_killed_is_one_line_with_the_step_and_the_remedy(opened):
    recipe, dataset = opened
    made = Processes(recipe, len(dataset), 1)
    try:
        made.batch(0)
        os.kill(made.ids[0], signal.SIGKILL)
        with pytest.raises(EnvironmentFault, match=r"worker process 1 of 1 .*SIGKILL.* step 8, .*--workers"):
            made.batch(7)
    finally:
        made.close()


def test_data_that_were_changed_meanwhile_are_not_taken_for_the_runs(opened):
    recipe, dataset = opened
    made = Processes(recipe, len(dataset) + 1, 1)
    try:
        with pytest.raises(InputError, match=f"finds {len(dataset)} examples in the data, the run"):
            made.batch(0)
    finally:
        made.close()


def test_an_error_is_raised_as_what_it_is(tmp_path):
    for number in range(6):
        folder = tmp_path / "pictures" / f"class_{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (28, 28), 40 * number).save(folder / f"{number}.png")
    settings = [
        "data.kind=image_folder",
        f"data.directory={tmp_path / 'pictures'}",
        "data.evaluation_fraction=0.34",
    ]
    spec = load_spec("mnist_fc", [*settings, "training.batch_size=1", "task.classes=2"])
    dataset = open_dataset(spec, tmp_path, "train")
    here = Recipe(spec, tmp_path)
    made = Processes(here, len(dataset), 1)
    try:
        made.batch(0)
        for broken in (tmp_path / "pictures").rglob("*.png"):
            broken.write_bytes(b"no picture")
        with pytest.raises(InputError) as wanted:
            here.batch(dataset, 1)
        with pytest.raises(type(wanted.value)) as caught:
            made.batch(1)
        assert str(caught.value) == str(wanted.value)
        assert "in a worker process" in caught.value.__notes__[0]
    finally:
        made.close()


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.inside = lambda: one


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InputError("a line"), InputError),
        (UnreadableFileError(Path("a.txt"), "is empty"), UnreadableFileError),
        (SpecError([Problem("wrong", "a.b", "s.yaml", 3), Problem("too")]), SpecError),
        (FileNotFoundError(2, "none", "a.txt"), FileNotFoundError),
        (KeyError("a"), KeyError),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), UnicodeDecodeError),
    ],
)
def test_an_error_comes_over_as_it_was(error, kind):
    found = pickle.loads(pickle.dumps(Failed.by(error))).raised()
    assert type(found) is kind
    assert str(found) == str(error)
    assert found.args == error.args


def test_an_error_that_cannot_be_copied_comes_over_in_words():
    found = pickle.loads(pickle.dumps(Failed.by(Odd("this", "that")))).raised()
    assert isinstance(found, RuntimeError)
    assert str(found) == "Odd: this and that"


FEEDS = """
import pickle, sys
from zoo_common.data import batches_by
recipe = pickle.loads(bytes.fromhex(sys.argv[1]))
import dataclasses, os, psutil, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background job ignores it.
recipe = dataclasses.replace(recipe, parent=os.getpid())
found = batches_by(2, recipe, recipe.open(), 0, 1_000_000)
next(found)
try:
    print(*(each.pid for each in psutil.Process().children()), flush=True)
    for _ in found:
        pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@contextlib.contextmanager
def feeding(recipe):
    """A process that goes through batches of two others, in a group of its own, and the ids of these."""
    given = [sys.executable, "-c", FEEDS, pickle.dumps(recipe).hex()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        given, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            ids = [int(each) for each in process.stdout.readline().split()]
            assert len(ids) == 2
            yield process, ids
        finally:
            process.kill()


def test_processes_end_with_a_parent_that_is_killed(opened):
    with feeding(opened[0]) as (process, ids):
        process.kill()
        process.wait()
        require_ended(ids)


def test_interrupting_the_parent_ends_all_of_them(opened):
    with feeding(opened[0]) as (process, ids):
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=120)[0] == "interrupted\n"
        assert process.wait(ENDS_WITHIN) == 0
        require_ended(ids)
