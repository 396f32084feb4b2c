"""A run that is killed or told to stop loses nothing, and the same command goes on bit for bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading

import pytest
from typer.testing import CliRunner

import forked_lives
from drawn import SEED
from kill_chain import Aim, Chain, Reference, command, start
from zoo_common.checkpoint import CheckpointStore
from zoo_common.cli.main import application
from zoo_common.training.run import Run
from zoo_common.training.run_directory import RunDirectory, read_metrics
from zoo_common.training.stop import StopRequest, noting_sigterm
from zoo_spec.errors import InputError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither SIGKILL nor SIGTERM")

FRAMEWORKS = ("tf", "torch")
EVERYWHERE = random.Random(SEED).choice(FRAMEWORKS)
"""Whose run is killed wherever one may be; the other's in a save, which is where it matters whose it is."""
STEPS = 24
DELAY = 0.004


@pytest.fixture(scope="module", params=FRAMEWORKS)
def undisturbed(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(forked_lives.NAME, " ".join(FRAMEWORKS))
        directory = tmp_path_factory.mktemp("undisturbed") / "run"
        return Reference(request.param, directory, STEPS, begin=forked_lives.Forked)


def zoo(arguments):
    return CliRunner().invoke(application(), arguments)


def until(child, phase, count=1):
    """Read the child's marks up to the ``count``-th that is ``phase``."""
    for line in child.stdout:
        count -= line.strip() == f"@{phase}"
        if not count:
            return
    raise AssertionError(f"never came to {phase}: {child.stderr.read()}")


def newest(directory):
    found = CheckpointStore(directory / "checkpoints").latest()
    return found.step if found else 0


def assert_same(left, right):
    """Two runs have the same checkpoints, bit for bit, and the same metrics."""
    for directory in (left, right):
        assert newest(directory) == STEPS
    ours, theirs = (CheckpointStore(directory / "checkpoints").latest() for directory in (left, right))
    for name in ("weights.safetensors", "optimizer.safetensors", "state.json"):
        assert (ours.path / name).read_bytes() == (theirs.path / name).read_bytes(), name
    assert (left / "metrics.jsonl").read_bytes() == (right / "metrics.jsonl").read_bytes()


# In processes of their own, forked where they are only killed. The long form, with hundreds of kills, is
# benchmarks/torture.


def test_a_run_that_is_killed_and_stopped_again_and_again_loses_nothing(undisturbed, tmp_path):
    chain = Chain(undisturbed, tmp_path / "run", DELAY, begin=forked_lives.Forked)
    draw = random.Random(0)
    framework, directory = undisturbed.framework, chain.directory
    saving = Aim("save: write manifest.json", count=5)  # Of the third save: there is one to go on from.
    around = [Aim("start-up: opening: replace .spec.yaml.partial"), saving, Aim("evaluation")]
    for aim in around if framework == EVERYWHERE else [saving]:
        assert chain.kill(aim, draw) is not None, f"the run ended before {aim}"
        assert chain.lost == []

    before = newest(directory)
    with start(command(framework, directory, STEPS), DELAY) as child:
        until(child, "step", 4)
        child.terminate()
        child.terminate()
        _, errors = child.communicate()
    assert child.returncode == 143
    step = newest(directory)
    assert before < step < STEPS
    assert f"stopped by SIGTERM; step {step} of {STEPS} is saved in {directory}" in errors.splitlines()[-1]
    assert "Traceback" not in errors

    chain.finish()
    assert chain.lost == []


def test_sigterm_before_the_first_step_ends_the_run_at_once_for_there_is_nothing_to_save(tmp_path):
    arguments = command("torch", tmp_path / "run", STEPS)
    with start(arguments, DELAY) as child:
        until(child, "start-up: model")
        child.terminate()
        assert child.wait() == -signal.SIGTERM
    found = zoo(arguments)
    assert found.exit_code == 0, found.output
    assert newest(tmp_path / "run") == STEPS


def test_a_second_process_is_refused_also_while_the_first_is_stopped(tmp_path):
    arguments = command("torch", tmp_path / "run", STEPS)
    with start(arguments, DELAY) as child:
        until(child, "step")
        for is_stopped in (False, True):
            if is_stopped:
                child.send_signal(signal.SIGSTOP)
            refused = zoo(arguments)
            assert refused.exit_code == 2
            assert f"is in use by process {child.pid} on " in refused.stderr
        child.kill()
        child.wait()
    found = zoo(arguments)
    assert found.exit_code == 0, found.output


def test_a_second_process_that_came_at_the_same_moment_removes_nothing(tmp_path, monkeypatch):
    def opened(path):
        return RunDirectory(path).open(spec={}, spec_text="{}", versions={}, read_spec=lambda path: {})

    first = []

    def acquire(self, real=RunDirectory._acquire):
        if not first:  # The other process is quicker, after this one saw that there is no such directory.
            first.append(None)
            first.append(opened(self.path))
        real(self)

    monkeypatch.setattr(RunDirectory, "_acquire", acquire)
    with pytest.raises(InputError, match=f"is in use by process {os.getpid()}"):
        opened(tmp_path / "run")
    assert (tmp_path / "run" / "spec.yaml").exists()
    first[1].close()


# In this process, where the signal can be sent at any line.


def send_at(monkeypatch, owner, function, count, number, *, after=False):
    """Send this process a signal at the ``count``-th call of a function, once it is called or after it."""
    real, calls = getattr(owner, function), []

    def work(*arguments, **options):
        calls.append(None)
        if len(calls) == count and not after:
            signal.raise_signal(number)
        found = real(*arguments, **options)
        if len(calls) == count and after:
            signal.raise_signal(number)
        return found

    monkeypatch.setattr(owner, function, work)


@pytest.mark.parametrize(
    ("owner", "function", "count", "after", "saved"),
    [
        (Run, "_save", 1, True, 2),
        (Run, "_evaluate", 1, False, 6),  # Broken off: the run that goes on makes up for it.
        (Run, "_evaluate", 4, False, STEPS),  # The last: the steps are done, their evaluation is not.
        (RunDirectory, "append_metrics", 7, True, 6),
    ],
)
def test_sigterm_at_any_point_saves_and_is_status_143(
    undisturbed, tmp_path, monkeypatch, owner, function, count, after, saved
):
    arguments = command(undisturbed.framework, tmp_path / "run", STEPS)
    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        send_at(patch, owner, function, count, signal.SIGTERM, after=after)
        stopped = zoo(arguments)
    assert stopped.exit_code == 143, stopped.output
    assert signal.getsignal(signal.SIGTERM) == handler
    assert newest(tmp_path / "run") == saved
    found = zoo(arguments)
    assert found.exit_code == 0, found.output
    assert_same(tmp_path / "run", undisturbed.directory)


@pytest.mark.parametrize(
    ("owner", "function", "count"),
    [(os, "replace", 8), (Run, "_evaluate", 2), (RunDirectory, "append_metrics", 11)],
)
def test_an_interrupt_is_status_130_with_nothing_half_written(
    undisturbed, tmp_path, monkeypatch, owner, function, count
):
    arguments = command(undisturbed.framework, tmp_path / "run", STEPS)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background job ignores it.
    try:
        with monkeypatch.context() as patch:
            send_at(patch, owner, function, count, signal.SIGINT)
            stopped = zoo(arguments)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.exit_code == 130, stopped.output
    assert stopped.stderr.splitlines()[-1] == "interrupted"
    assert newest(tmp_path / "run") > 0
    assert not list((tmp_path / "run").rglob("*.partial"))
    found = zoo(arguments)
    assert found.exit_code == 0, found.output
    assert_same(tmp_path / "run", undisturbed.directory)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("owner", "function", "count"),
    [(RunDirectory, "sync_metrics", 3), (CheckpointStore, "save", 2), (Run, "_evaluate", 1)],
)
def test_a_directory_that_is_removed_under_a_run_ends_it_with_one_line(
    tmp_path, monkeypatch, framework, owner, function, count
):
    directory, calls, real = tmp_path / "run", [], getattr(owner, function)

    def work(*arguments, **options):
        calls.append(None)
        if len(calls) == count:
            shutil.rmtree(directory)
        return real(*arguments, **options)

    monkeypatch.setattr(owner, function, work)
    found = zoo(command(framework, directory, STEPS))
    assert found.exit_code == 3, found.output
    assert isinstance(found.exception, SystemExit)
    assert f"{directory}: was removed, or replaced by another" in found.stderr.splitlines()[-1]
    assert not directory.exists()


def test_a_run_that_is_done_makes_up_for_a_missing_evaluation_and_only_for_that(undisturbed, tmp_path):
    arguments = command(undisturbed.framework, tmp_path / "run", STEPS)
    assert zoo(arguments).exit_code == 0
    metrics = tmp_path / "run" / "metrics.jsonl"
    whole = metrics.read_bytes()
    for kept in (whole[: whole.rstrip().rfind(b"\n") + 1], whole):
        metrics.write_bytes(kept)
        assert zoo(arguments).exit_code == 0
        assert metrics.read_bytes() == whole
        assert read_metrics(metrics)[-1]["split"] == "eval"


def test_what_is_broken_off_is_left_and_nothing_else_is():
    with noting_sigterm() as request:
        assert request.unless_made(lambda: 1) == 1
        assert request.unless_made(lambda: signal.raise_signal(signal.SIGTERM) or 2) is None
        signal.raise_signal(signal.SIGTERM)  # Again, elsewhere: noted.
        assert request.is_made
        assert request.unless_made(lambda: 3) is None


def test_in_another_thread_signals_are_left_alone():
    found: list[StopRequest] = []

    def work():
        with noting_sigterm() as request:
            found.append(request)

    handler = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not found[0].is_made
    assert signal.getsignal(signal.SIGTERM) == handler
