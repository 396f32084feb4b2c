"""``zoo data prepare`` from the command line: what it prints, how it ends, and who works with what it made."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hard_disk import read_only
from zoo_common.cli.main import application


def zoo(*arguments, status=0):
    found = CliRunner().invoke(application(), [str(argument) for argument in arguments])
    assert found.exit_code == status, found.output
    return found


@pytest.fixture
def spec(tmp_path):
    draw = np.random.default_rng(0)
    rows = (f"{' '.join(draw.choice(list('abcdefgh'), 6))}\t{number % 2}\n" for number in range(50))
    (tmp_path / "rows.tsv").write_text("text\tlabel\n" + "".join(rows))
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: bert_tiny_classification\nmodel: {vocab_size: 100}\ntask: {classes: 2}\n"
        f"data: {{kind: text_table, files: {tmp_path}/rows.tsv, text: text, label: label, sequence_length: 12}}\n"
    )
    return path


def test_it_is_made_once_and_other_commands_work_with_it(spec, tmp_path):
    output = tmp_path / "prepared"
    first = zoo("data", "prepare", "--spec", spec, "--output", output, "--processes", 1).stdout
    assert "training    45 examples of 45 records, 360 tokens at most" in first
    assert f"prepared    {output}" in first
    assert "nothing to do" in zoo("data", "prepare", "--spec", spec, "--output", output).stdout
    (tmp_path / "rows.tsv").unlink()
    of_it = ("--spec", spec, "--set", f"data.prepared={output}")
    described = json.loads(zoo("describe", *of_it, "--json").stdout)
    assert [described["data"][split]["samples"] for split in ("train", "eval")] == [45, 5]
    found = json.loads(zoo("data", "inspect", *of_it, "--json").stdout)
    assert (found["examples"], found["duplicates"]["training"]["of"]) == (45, 45)


def test_how_it_ends_tells_whose_fault_it_is(spec, tmp_path):
    output = tmp_path / "prepared"
    command = ("data", "prepare", "--spec", spec, "--output")
    zoo(*command, output, "--processes", 1)
    refused = zoo(*command, output, "--set", "data.lower_case=false", status=2).stderr
    assert "data.lower_case: True, now False" in refused
    assert "holds something else" in zoo(*command, tmp_path, status=2).stderr
    drawn = zoo("data", "prepare", "--spec", "unet_tiny", "--output", tmp_path / "drawn", status=2).stderr
    assert "there is nothing to prepare" in drawn
    (tmp_path / "closed").mkdir()
    with read_only(tmp_path / "closed"):
        zoo(*command, tmp_path / "closed" / "prepared", status=3)
    assert "it is empty" in " ".join(zoo(*command, "", status=2).output.split())
