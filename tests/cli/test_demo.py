"""``zoo demo``: a table, a picture, and curves that lie on each other."""

import csv
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.report.curves import Curves

STEPS = 3


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "run"
    return folder, run(folder)


def run(folder):
    # A batch of 4 is enough to see that it runs.
    small = [f"training.steps={STEPS}", "training.batch_size=4", "data.evaluation_fraction=0.01"]
    arguments = ["demo", "--run-dir", str(folder)]
    return CliRunner().invoke(application(), arguments + [part for each in small for part in ("--set", each)])


def test_both_curves_are_the_same_within_float32_noise(demo):
    folder, result = demo
    assert result.exit_code == 0, result.output
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    torch, tensorflow, gap, floor = np.array(rows[1:], float)[:, 1:].T
    assert len(torch) == STEPS
    assert torch.std() > 0
    assert np.abs(torch - tensorflow).max() <= 1e-5 * torch.max()
    assert gap == pytest.approx(np.abs(torch - tensorflow))
    assert (floor > 0).all()


def test_the_table_has_the_curves_and_says_where_the_pictures_are(demo):
    folder, result = demo
    assert re.search(r"step +torch [\d.]+ +tensorflow [\d.]+ +gap +floor", result.stdout)
    assert (
        len(re.findall(r"^ +\d+ +\d+\.\d{6} +\d+\.\d{6} +\d\.\de.\d+", result.stdout, re.MULTILINE)) == STEPS
    )
    assert "stays below" in result.stdout
    for ending in ("png", "svg", "csv", "json"):
        assert str(folder / f"curves.{ending}") in result.stdout.replace("\n", "")


def test_the_pictures_are_pictures(demo):
    folder, _ = demo
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (folder / "curves.svg").read_text(encoding="utf-8")


def test_both_runs_can_be_gone_on_with(demo):
    folder, _ = demo
    for framework in ("torch", "tf"):
        assert list((folder / framework / "checkpoints").glob("step-*3"))


def test_a_directory_that_holds_something_is_refused(demo):
    folder, _ = demo
    result = run(folder)
    assert result.exit_code == 2
    assert "is not empty" in result.output


def test_a_demo_without_a_directory_takes_the_next_number(tmp_path, monkeypatch):
    from zoo_common.cli.demo import _new_directory

    monkeypatch.chdir(tmp_path)
    assert [_new_directory(None).name for _ in range(3)] == ["1", "2", "3"]


def curves(first, second, changed):
    return Curves("title", ("one", "other"), *(np.array(each) for each in (first, second, changed)))


def test_the_step_at_which_the_gap_leaves_the_floor_is_named():
    found = curves([9.0, 8.0, 7.0, 6.0], [9.0, 8.0, 7.1, 6.5], [9.0, 8.0, 7.0, 6.0])
    assert found.left_at == 3
    assert "at step 3" in found.verdict()
    assert curves([9.0, 8.0], [9.0, 8.0], [9.0, 8.0]).left_at is None


def test_a_loss_that_is_no_number_leaves_the_floor():
    assert curves([9.0, 8.0], [9.0, float("nan")], [9.0, 8.0]).left_at == 2
