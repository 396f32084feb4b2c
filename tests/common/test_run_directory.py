"""A run directory goes on with its own spec, belongs to one process, and has each step once."""

from __future__ import annotations

import copy
import errno
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from zoo_common.files import write_atomically
from zoo_common.report.curves import read_curves
from zoo_common.training.run_directory import RunDirectory, differences, read_metrics
from zoo_spec.errors import EnvironmentFault, InputError

SOURCE = Path(__file__).parents[2] / "src"
SPEC = {
    "name": "tiny",
    "model": {"kind": "bert", "hidden_size": 128, "norm": {"epsilon": 1e-12}},
    "data": {"files": ["a.txt", "b.txt"]},
    "training": {"steps": 100, "log_every": None, "seed": 0, "nesterov": False},
}
VERSIONS = {"python": "3.11.7", "torch": "2.13.0"}


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def open_run(path: Path, spec=SPEC, versions=VERSIONS) -> RunDirectory:
    text = json.dumps(spec, indent=2)
    return RunDirectory(path).open(spec=spec, spec_text=text, versions=versions, read_spec=read_json)


def changed(**fields) -> dict:
    """SPEC with values replaced; ``training__steps=3`` stands for ``training.steps``."""
    spec = copy.deepcopy(SPEC)
    for path, value in fields.items():
        *sections, key = path.split("__")
        part = spec
        for section in sections:
            part = part[section]
        part[key] = value
    return spec


def contents(path: Path) -> dict[str, bytes]:
    files = [
        file for file in path.rglob("*") if file.is_file() and file.name != "run.lock"
    ]  # Windows locks reads.
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_a_run_is_started_and_continued(tmp_path):
    path = tmp_path / "a" / "run"
    with open_run(path) as run:
        run.append_metrics({"step": 1, "split": "train", "loss": 2.5})
        assert read_json(path / "holder.json")["pid"] == os.getpid()
    assert read_json(run.spec_file) == SPEC
    assert not (path / "holder.json").exists()
    with open_run(path) as run:
        run.append_metrics({"step": 2, "split": "train", "loss": 2.25})
    assert [record["step"] for record in read_metrics(run.metrics_file)] == [1, 2]
    RunDirectory(path).require()


def test_each_set_of_versions_is_noted_once(tmp_path):
    keras = {"python": "3.11.7", "tensorflow": "2.21.0"}
    for versions in (VERSIONS, VERSIONS, keras):
        open_run(tmp_path, versions=versions).close()
    assert read_json(tmp_path / "versions.json")["versions"] == [VERSIONS, keras]


def test_an_empty_directory_and_one_of_a_kill_while_starting_will_do(tmp_path):
    for name in ("run.lock", ".versions.json.12ab34cd.partial"):
        (tmp_path / name).write_text("")
    open_run(tmp_path).close()


@pytest.mark.parametrize("what", ["file", "foreign", "dangling link", "foreign versions.json"])
def test_a_place_that_is_no_run_is_refused_and_left_alone(tmp_path, what):
    path = tmp_path / "run"
    if what == "file":
        path.write_text("mine")
    elif what == "dangling link":
        if os.name == "nt":
            pytest.skip("Windows lets only administrators make links")
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
        name = "spec.yaml" if what == "foreign" else "versions.json"
        (path / name).write_text('{"mine": 1}')
    before = contents(tmp_path)
    with pytest.raises(
        InputError, match=r"is not a directory|holds no run but spec\.yaml|is not what a run writes"
    ):
        open_run(path)
    assert contents(tmp_path) == before
    if what != "foreign versions.json":
        with pytest.raises(InputError, match="is no run directory"):
            RunDirectory(path).require()


def test_a_run_by_a_newer_zoo_is_refused(tmp_path):
    (tmp_path / "versions.json").write_text('{"format": "zoo-run", "version": 2, "versions": []}')
    with pytest.raises(InputError, match="has version 2, this Zoo reads 1; update Zoo"):
        open_run(tmp_path)


def test_a_run_without_its_spec_is_not_given_another(tmp_path):
    with open_run(tmp_path) as run:
        run.checkpoints.mkdir()
    run.spec_file.unlink()
    with pytest.raises(InputError, match=r"spec\.yaml: is missing"):
        open_run(tmp_path)


def test_another_spec_is_refused_naming_each_field_with_both_values(tmp_path):
    open_run(tmp_path).close()
    before = contents(tmp_path)
    with pytest.raises(InputError) as error:
        open_run(tmp_path, spec=changed(model__hidden_size=256, model__norm={"kind": "rms"}))
    assert str(error.value).splitlines()[1:] == [
        "  model.hidden_size: 128 in the run, 256 now",
        "  model.norm.epsilon: 1e-12 in the run, absent now",
        '  model.norm.kind: absent in the run, "rms" now',
    ]
    assert contents(tmp_path) == before
    open_run(tmp_path).close()


def test_a_long_list_of_differences_is_cut(tmp_path):
    open_run(tmp_path, spec=changed(data={f"field{index}": index for index in range(50)})).close()
    with pytest.raises(InputError, match=r"and 32 more$"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, []),
        ({"training__steps": 200, "training__log_every": 5, "training__save_every": 7}, []),
        ({"training__steps": 50}, ["training.steps: 100 in the run, 50 now (it may be raised, not lowered)"]),
        ({"training__seed": False}, ["training.seed: 0 in the run, false now"]),
        ({"data__files": ["a.txt"]}, ['data.files[1]: "b.txt" in the run, absent now']),
        (
            {"model__norm": None},
            ["model.norm: absent in the run, null now", "model.norm.epsilon: 1e-12 in the run, absent now"],
        ),
        (
            {"model__norm": {}},
            ["model.norm: absent in the run, {} now", "model.norm.epsilon: 1e-12 in the run, absent now"],
        ),
    ],
)
def test_differences_are_what_keeps_a_run_from_going_on(fields, found):
    assert differences(SPEC, changed(**fields)) == found


def test_raised_steps_are_written_down(tmp_path):
    open_run(tmp_path).close()
    with open_run(tmp_path, spec=changed(training__steps=200)) as run:
        assert read_json(run.spec_file)["training"]["steps"] == 200


def test_metrics_keep_what_json_has_no_number_for(tmp_path):
    record = {"step": 1, "split": "train", "loss": math.inf, "rate": -math.inf, "note": "é\n", "none": None}
    with open_run(tmp_path) as run:
        run.append_metrics(record)
        run.append_metrics({"step": 2, "loss": math.nan})
        first, second = read_metrics(run.metrics_file)  # Each line is there as soon as it is appended.
    assert first == record
    assert math.isnan(second["loss"])
    for line in run.metrics_file.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_steps_beyond_the_checkpoint_are_cut_so_that_each_is_there_once(tmp_path):
    with open_run(tmp_path) as run:
        for step in range(1, 8):
            run.append_metrics({"step": step, "split": "train"})
        run.append_metrics({"step": 7, "split": "eval"})
    with open_run(tmp_path) as run:
        run.cut_metrics(5)
        run.append_metrics({"step": 6, "split": "train"})
        assert [record["step"] for record in read_metrics(run.metrics_file)] == [1, 2, 3, 4, 5, 6]
        run.cut_metrics(0)
        assert read_metrics(run.metrics_file) == []


@pytest.mark.parametrize("torn", [b'{"step": 3, "lo', b"\0\0\0", b"{", b'{"step": 3}'])
def test_a_line_that_a_kill_cut_short_is_passed_over_and_cut(tmp_path, torn):
    with open_run(tmp_path) as run:
        run.append_metrics({"step": 2})
    with run.metrics_file.open("ab") as file:
        file.write(torn)
    whole = [2, 3] if torn.endswith(b"}") else [2]  # Only the line's end is missing: the record is all there.
    assert [record["step"] for record in read_metrics(run.metrics_file)] == whole
    with open_run(tmp_path) as run:
        run.append_metrics({"step": 4})
    assert [record["step"] for record in read_metrics(run.metrics_file)] == [*whole, 4]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\nnonsense\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl:2: not a JSON object: b'nonsense'"):
        read_metrics(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_metrics(tmp_path / "other")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among its files")
def test_a_pipe_in_the_place_of_a_runs_files_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(InputError, match=r"metrics\.jsonl: is a pipe"):
        read_metrics(tmp_path / "metrics.jsonl")
    os.mkfifo(tmp_path / "curves.json")
    assert read_curves(tmp_path) is None


@pytest.mark.parametrize("content", ["[" * 500, '{"pid": 1e999, "host": 0}', "9" * 5000, "x" * 2000, ""])
def test_whoever_holds_a_run_need_not_have_left_a_name(tmp_path, content):
    with open_run(tmp_path):
        (tmp_path / "holder.json").write_text(content)
        with pytest.raises(InputError, match="is in use by another process"):
            open_run(tmp_path)


def test_a_record_needs_a_step(tmp_path):
    with open_run(tmp_path) as run, pytest.raises(InputError, match="whole number"):
        run.append_metrics({"loss": 1.0})


HOLD = """
import json, sys
from pathlib import Path
from zoo_common.training.run_directory import RunDirectory
spec = json.loads(sys.argv[2])
run = RunDirectory(Path(sys.argv[1]))
run.open(spec=spec, spec_text=sys.argv[2], versions={}, read_spec=lambda p: spec)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone_even_by_a_kill(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path), json.dumps(SPEC)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "open\n"
        before = contents(tmp_path)
        with pytest.raises(InputError, match=f"is in use by process {child.pid} on "):
            open_run(tmp_path)
        assert contents(tmp_path) == before
        child.kill()
        child.wait(timeout=60)
    open_run(tmp_path).close()


def test_the_name_of_a_process_that_was_killed_before_is_not_given(tmp_path):
    with open_run(tmp_path):
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        (tmp_path / "holder.json").write_text(json.dumps({"pid": gone.pid, "host": socket.gethostname()}))
        with pytest.raises(InputError, match="is in use by another process"):
            open_run(tmp_path)


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else_is(tmp_path):
    open_run(tmp_path).close()
    (tmp_path / ".spec.yaml.12ab34cd.partial").write_text("half")
    (tmp_path / ".mine.partial").write_text("mine")
    open_run(tmp_path).close()
    assert sorted(entry.name for entry in tmp_path.glob(".*")) == [".mine.partial"]


def test_the_same_process_cannot_open_it_twice_either(tmp_path):
    with open_run(tmp_path), pytest.raises(InputError, match=f"is in use by process {os.getpid()}"):
        open_run(tmp_path)
    open_run(tmp_path).close()


def refuse(number: int, monkeypatch) -> None:
    def replace(source, target):
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_explained_and_the_lock_let_go(tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch:
        refuse(number, patch)
        with pytest.raises(EnvironmentFault, match=os.strerror(number)):
            open_run(tmp_path)
    open_run(tmp_path).close()


def test_a_file_written_atomically_is_the_old_or_the_new(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    refuse(errno.ENOSPC, monkeypatch)
    with pytest.raises(EnvironmentFault, match=r"3 bytes needed, .* free on the disk"):
        write_atomically(path, b"new")
    assert contents(tmp_path) == {"file": "é\n".encode()}
