"""``zoo plan``, and what ``zoo describe`` says of weights that are streamed."""

import json

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.report.placement import Machine
from zoo_common.speeds import DiskSpeed
from zoo_common.units import bytes_text

GB = 10**9
MACHINE = ("--disk", "3GB/s", "--memory", "64GB", "--compute", "200GFLOP/s")


def run(*arguments):
    return CliRunner().invoke(application(), list(arguments))


def planned(*arguments):
    found = run("plan", *MACHINE, *arguments, "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    return json.loads(found.stdout)


def test_the_largest_gpt_is_streamed_in_parts_of_layers():
    one = ("--spec", "gpt3_175b", "--set", "training.batch_size=1")
    found = planned(*one)
    assert found["execution"] == "weight_streaming"
    assert found["settings"] == ["training.execution=weight_streaming", f"training.memory_limit={64 * GB}"]
    assert found["memory"]["sum"] <= 64 * GB < found["disk"]["sum"]
    assert found["units"]["largest_parameters"] * 3 * 16 <= 32 * GB
    step = found["step"]
    assert step["files_seconds"] == pytest.approx((step["read_bytes"] + step["written_bytes"]) / (3 * GB))
    assert step["seconds"] == pytest.approx(step["computing_seconds"] + step["waiting_seconds"])
    assert found["training_seconds"] == found["steps"] * step["seconds"]
    text = run("plan", *MACHINE, *one).stdout
    for part in (
        "weight_streaming",
        bytes_text(found["memory"]["sum"]),
        "4.88 TB",
        "5.10 h",
        "years (95,400 steps)",
    ):
        assert part in text


def test_as_many_examples_a_step_as_fit_are_planned_with_a_word_where_the_specs_do_not():
    own = ("--spec", "gpt3_6p7b")
    found = planned(*own)
    assert found["batch_size"] < 1024
    assert f"training.batch_size={found['batch_size']}" in found["settings"]
    assert not found["trains_the_same"]
    assert "It is another training" in run("plan", *MACHINE, *own).stdout
    assert planned("--spec", "bert_tiny")["trains_the_same"]


def test_what_fits_stays_in_memory_with_the_least_change():
    assert planned("--spec", "bert_tiny")["settings"] == []
    rows = ("--spec", "bert_base", "--set", "training.micro_batch_size=256")
    fewer = json.loads(
        run("plan", *rows, *MACHINE[:2], "--memory", "6GB", "--compute", "1TFLOP/s", "--json").stdout
    )
    assert fewer["execution"] == "resident"
    assert fewer["settings"] == [f"training.micro_batch_size={fewer['micro_batch_size']}"]
    assert fewer["step"]["read_bytes"] == fewer["step"]["waiting_seconds"] == 0
    long = ("--spec", "gpt2_small", "--set", "training.batch_size=1", "--set", "training.micro_batch_size=1")
    again = json.loads(
        run("plan", *long, *MACHINE[:2], "--memory", "7GB", "--compute", "1TFLOP/s", "--json").stdout
    )
    assert again["settings"] == ["training.recompute=true"]


def test_what_fits_nowhere_is_refused_with_the_arithmetic():
    little = run("plan", "--spec", "bert_base", *MACHINE[:2], "--memory", "500MB", "--compute", "1TFLOP/s")
    assert little.exit_code == 3
    assert "500 MB" in little.stderr
    full = run(
        "plan", "--spec", "gpt3_175b", "--set", "training.batch_size=1", *MACHINE, "--disk-size", "2TB"
    )
    assert full.exit_code == 3
    assert "the disk has no room for gpt3_175b" in full.stderr
    assert "4.88 TB" in full.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--disk", "3GB"),
        ("--disk", "0GB/s"),
        ("--disk", "3GFLOP/s"),
        ("--memory", "much"),
        ("--memory", "-1"),
        ("--disk-size", "3GB/s"),
        ("--compute", "200"),
    ],
)
def test_a_value_that_says_nothing_is_refused_in_one_line(option, value):
    found = run("plan", "--spec", "bert_tiny", option, value)
    assert found.exit_code == 2
    assert [line for line in found.stderr.splitlines() if option in line] == found.stderr.splitlines()[-1:]
    assert repr(value) in found.stderr


def test_a_framework_that_there_is_not_is_refused():
    for command in ("plan", "describe"):
        found = run(command, "--spec", "bert_tiny", "--framework", "tensorflow")
        assert (found.exit_code, found.stderr) == (2, "no framework 'tensorflow'; there are: tf, torch\n")


def test_describe_says_what_files_take_of_this_machine(monkeypatch, tmp_path):
    asked = []

    def machine(folder, precision):
        asked.append((folder, precision))
        return Machine(16 * GB, DiskSpeed(2.0 * GB, 1.0 * GB), 200.0 * GB, 10**6)

    monkeypatch.setattr("zoo_common.report.describe.this_machine", machine)
    plain = ("describe", "--spec", "gpt3_tiny", "--no-data")
    assert "streaming" not in json.loads(run(*plain, "--json").stdout)
    streams = (*plain, "--execution", "weight_streaming", "--framework", "torch", "--run-dir", str(tmp_path))
    found = run(*streams, "--json")
    assert found.exit_code == 3
    assert "the disk has no room for gpt3_tiny" in found.stderr
    document = json.loads(found.stdout)
    assert list(document["bytes"]["training"]) == ["torch"]
    assert document["bytes"]["training"]["torch"] == document["streaming"]["memory"]
    step = document["streaming"]["step"]
    assert step["files_seconds"] == pytest.approx(step["read_bytes"] / (2 * GB) + step["written_bytes"] / GB)
    text = run(*streams).stdout
    for part in ("Weight streaming on this machine", "2.00 GB/s read, 1.00 GB/s written", "slots"):
        assert part in text
    assert asked == [(tmp_path, "float32")] * 2
