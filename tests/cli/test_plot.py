"""``zoo plot``: whatever a run's metrics hold, a picture that shows it or a message that says why not."""

import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from small_models import in_fresh_process
from zoo_common.cli.main import application
from zoo_common.parity import tolerances
from zoo_common.report.curves import Curves, read_curves
from zoo_common.report.plot import Line, Picture, running_mean
from zoo_common.report.plot_runs import find_runs, names_of, picture_of, read_curves_of
from zoo_spec import load_spec

STEPS = 30


def make_run(directory, losses, *, spec=None, split="train", end=""):
    directory.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"step": step, "split": split, "loss": loss}) for step, loss in enumerate(losses, 1)]
    with (directory / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines) + end)
    if spec is not None:
        (directory / "spec.yaml").write_text(yaml.safe_dump(spec.resolved()), encoding="utf-8")
    return directory


def losses(start=3.0, count=STEPS):
    return [start * math.exp(-step / 20) for step in range(count)]


def picture(*runs, metric="loss", split="train"):
    return picture_of(read_curves_of(find_runs(runs), metric, split), metric, split)


def zoo(*arguments):
    return CliRunner().invoke(application(), ["plot", *map(str, arguments)])


def texts(svg):
    return svg.decode() if isinstance(svg, bytes) else svg.read_text(encoding="utf-8")


def test_both_forms_are_written_and_say_what_is_drawn(tmp_path):
    run = make_run(tmp_path / "my_run", losses(), spec=load_spec("mnist_fc"))
    found = zoo(run, "--output", tmp_path / "new" / "picture")
    assert found.exit_code == 0, found.output
    assert (tmp_path / "new" / "picture.png").read_bytes().startswith(b"\x89PNG")
    svg = texts(tmp_path / "new" / "picture.svg")
    for shown in ("my_run", "mnist_fc", "step", "training loss (nats)"):
        assert f">{shown}<" in svg


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_file_name_chooses_the_form(ending, tmp_path):
    run = make_run(tmp_path / "run", losses())
    assert zoo(run, "--output", tmp_path / f"picture.{ending}").exit_code == 0
    assert [path.name for path in tmp_path.glob("picture*")] == [f"picture.{ending}"]


def test_by_default_the_pictures_are_written_where_the_command_runs(tmp_path, monkeypatch):
    make_run(tmp_path / "run", losses())
    monkeypatch.chdir(tmp_path)
    assert zoo("run").stdout == "wrote runs_plot.png\nwrote runs_plot.svg\n"


def test_the_gap_of_two_runs_of_one_spec_is_drawn_against_float_rounding(tmp_path):
    spec = load_spec("mnist_fc")
    one = make_run(tmp_path / "one", losses(), spec=spec)
    longer = spec.model_copy(update={"training": spec.training.model_copy(update={"steps": 9999})})
    two = make_run(tmp_path / "two", [loss + 1e-4 for loss in losses(count=20)], spec=longer)
    gap = picture(one, two).gap
    assert list(gap.steps) == list(range(1, 21))
    assert gap.gap == pytest.approx(1e-4, rel=1e-9)
    assert gap.floor == pytest.approx(tolerances.CURVE_ULPS * 2.0**-23 * 3.0)
    assert "1 float32 ulp of the loss, no run measured it" in gap.floor_is
    svg = texts(picture(one, two).render()["svg"])
    assert "difference in loss (nats)" in svg
    assert "floor: 1 float32 ulp" in svg
    assert "times the floor" not in svg


@pytest.mark.parametrize("override", ["training.seed=7", "training.batch_size=32", "model.hidden_sizes=[3]"])
def test_runs_that_differ_have_no_gap(override, tmp_path):
    one = make_run(tmp_path / "one", losses(), spec=load_spec("mnist_fc"))
    two = make_run(tmp_path / "two", losses(), spec=load_spec("mnist_fc", [override]))
    assert picture(one, two).gap is None
    assert picture(one, one / ".." / "one").gap is None


def test_dropout_masks_of_their_own_are_told(tmp_path):
    runs = [make_run(tmp_path / name, losses(), spec=load_spec("bert_base")) for name in ("one", "two")]
    assert "dropout masks differ" in picture(*runs).gap.floor_is


def make_demo(directory):
    spec = load_spec("mnist_fc")
    curves = [np.array(losses()) + shift for shift in (0.0, 1e-6, 1e-4)]
    for name, curve in zip(("torch", "tf"), curves, strict=False):
        make_run(directory / name, list(curve), spec=spec)
    found = Curves("a demo", ("torch 1", "tensorflow 2"), *curves)
    found.save(directory)
    return found


def test_a_demo_has_its_measured_floor(tmp_path):
    demo = make_demo(tmp_path / "demo")
    gap = picture(tmp_path / "demo").gap
    assert gap.is_measured
    assert gap.floor == pytest.approx(demo.floor)
    assert gap.floor == pytest.approx(1e-4)
    assert "torch 1 against itself from weights changed by 1e-7" in gap.floor_is
    again = make_run(tmp_path / "again", losses(), spec=load_spec("mnist_fc"))
    assert picture(tmp_path / "demo" / "tf", again).gap.floor == pytest.approx(1e-4)


def test_curves_survive_saving(tmp_path):
    curves = [np.array([1.0, float("nan"), 0.1]) for _ in range(3)]
    Curves("title", ("a", "b"), *curves).save(tmp_path)
    found = read_curves(tmp_path)
    assert (found.title, found.names) == ("title", ("a", "b"))
    assert np.array_equal(found.changed, curves[2], equal_nan=True)
    assert read_curves(tmp_path / "none") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "zoo-curves", "version": 9}'])
def test_a_damaged_floor_is_refused(content, tmp_path):
    make_demo(tmp_path)
    (tmp_path / "curves.json").write_text(content, encoding="utf-8")
    found = zoo(tmp_path, "--output", tmp_path / "picture")
    assert found.exit_code == 2
    assert "delete it" in found.stderr


def test_runs_of_one_name_are_told_apart(tmp_path):
    runs = [tmp_path / name for name in ("a/1/torch", "a/2/torch", "b/1/torch", "other")]
    assert names_of(runs) == ["a/1/torch", "2/torch", "b/1/torch", "other"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([2.5], ""),
        ([1.0, "NaN", "Infinity", 0.5], "not finite at 2 of 4 steps"),
        (["NaN"], "at 1 of 1 steps"),
    ],
)
def test_few_points_and_no_numbers_are_drawn(values, said, tmp_path):
    run = make_run(tmp_path / "run", values)
    assert said in texts(picture(run).render()["svg"])
    assert picture(run, make_run(tmp_path / "two", values)).render()["png"]


def test_a_run_that_is_going_on_and_one_without_points(tmp_path):
    going = make_run(tmp_path / "going", losses(), end='{"step": 31, "spl')
    empty = make_run(tmp_path / "empty", [])
    found = zoo(going, empty, "--output", tmp_path / "picture")
    assert found.exit_code == 0
    assert found.stderr == f"{empty}: has no train loss yet; left out\n"
    (line,) = picture(going, empty).lines
    assert len(line.steps) == STEPS


def test_twenty_runs_with_awkward_names_all_have_their_line(tmp_path):
    for number in range(20):
        make_run(tmp_path / f"_run $\\frac{number}$ <&>", losses(start=1 + number))
    found = picture(tmp_path)
    svg = texts(found.render()["svg"])
    assert len(found.lines) == 20
    for number in range(20):
        assert f"_run $\\frac{number}$ &lt;&amp;&gt;" in svg


def test_other_metrics_splits_and_scales(tmp_path):
    run = make_run(tmp_path / "run", [], end='{"step": 5, "split": "eval", "accuracy": 0.5}\n')
    found = zoo(
        run, "--metric", "accuracy", "--split", "eval", "--log-y", "--smooth", "3", "--output", tmp_path / "a"
    )
    assert found.exit_code == 0, found.output
    assert ">evaluation accuracy<" in texts(tmp_path / "a.svg")


def test_the_running_mean_is_centred_and_leaves_out_what_is_no_number():
    values = np.array([1.0, 2.0, 6.0, np.nan, 4.0])
    assert running_mean(values, 1) is values
    assert running_mean(values, 3) == pytest.approx([1.5, 3.0, 4.0, np.nan, 4.0], nan_ok=True)


def test_the_same_curves_give_the_same_picture():
    drawn = [Picture("title", "loss", [Line("run", np.arange(3), np.arange(3.0))]).render() for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such directory"),
        (lambda path: path.mkdir(), "holds no run"),
        (lambda path: path.write_text("a file", encoding="utf-8"), "holds no run"),
        (lambda path: make_run(path, []), "nothing is logged there yet"),
        (lambda path: make_run(path, losses(), split="eval"), "there is: loss (eval)"),
        (lambda path: make_run(path, [], end="no JSON\n{}\n"), "metrics.jsonl:1: not a JSON object"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, message, tmp_path):
    make(tmp_path / "run")
    found = zoo(tmp_path / "run", "--output", tmp_path / "picture")
    assert found.exit_code == 2
    assert message in found.stderr
    assert not list(tmp_path.glob("picture*"))


@pytest.mark.parametrize(
    "arguments", [["--output", "a.pdf"], ["--split", "test"], ["--smooth", "0"]], ids=lambda each: each[0]
)
def test_wrong_options_are_refused(arguments, tmp_path):
    assert zoo(make_run(tmp_path / "run", losses()), *arguments).exit_code == 2


def test_plotting_and_drawing_load_no_framework(tmp_path):
    run = make_run(tmp_path / "run", losses(), spec=load_spec("mnist_fc"))
    printed = in_fresh_process(
        """
        import sys
        from typer.testing import CliRunner
        from zoo_common.cli.main import application
        for arguments in (["plot", sys.argv[1]], ["describe", "--spec", "bert_base"]):
            option = "--output" if arguments[0] == "plot" else "--svg"
            found = CliRunner().invoke(application(), [*arguments, option, f"{sys.argv[1]}/{arguments[0]}.svg"])
            assert found.exit_code == 0, found.output
        print(sorted({"torch", "tensorflow", "keras"} & set(sys.modules)))
        """,
        run,
    )
    assert printed == "[]\n"
    assert (run / "plot.svg").exists()
    assert (run / "describe.svg").exists()


def test_a_run_with_a_spec_that_is_no_longer_valid_is_drawn(tmp_path):
    run = make_run(tmp_path / "run", losses())
    (run / "spec.yaml").write_text("model: {kind: gone}", encoding="utf-8")
    assert picture(run, make_run(tmp_path / "two", losses())).gap is None


def test_what_steers_a_terminal_is_drawn_as_escapes():
    name = "a\x1b[31m$\\frac$\udcff"
    drawn = Picture(name, name, (Line(name, np.arange(1, 4), np.ones(3)),)).render()["svg"]
    ElementTree.fromstring(drawn)
    assert drawn.decode("utf-8").count("a\\u001b[31m$\\frac$\\udcff") >= 3
