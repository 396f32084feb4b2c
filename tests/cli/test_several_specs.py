"""Several specs and folders of them in one call: each is checked, one answer holds all, the worst is the status."""

import json
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.parity.results import LevelResult, ParityReport
from zoo_spec.errors import EnvironmentFault


def run(*arguments):
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Two valid specs, a wrong one, a file that is none, and what does not count."""
    (tmp_path / "below").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.yaml").write_text("extends: mnist_fc\n")
    (tmp_path / "b.yaml").write_text("extends: mnist_fc\nmodel: {hiden_sizes: [3]}\n")
    (tmp_path / "below" / "c.yml").write_text("extends: mnist_fc_deep\n")
    (tmp_path / "ci.yaml").write_text("on: push\n")
    (tmp_path / "notes.txt").write_text("model: nonsense\n")
    (tmp_path / ".hidden" / "d.yaml").write_text("model: nonsense\n")
    (tmp_path / ".e.yaml").write_text("model: nonsense\n")
    return tmp_path


def test_a_wrong_spec_before_a_right_one_fails(folder):
    found = run("validate", "--spec", folder / "b.yaml", "--spec", "mnist_fc")
    assert found.exit_code == 2
    assert "b.yaml:2: model.hiden_sizes: unknown key" in found.stderr
    assert found.stdout.startswith("valid: mnist_fc\n")


def test_a_folder_stands_for_its_yaml_files_and_each_is_checked_once(folder):
    junit = folder / "specs.xml"
    given = ("--spec", folder, "--spec", folder / "below" / ".." / "a.yaml", "--spec", "mnist_fc")
    found = run("validate", *given, "--json", "--junit", junit)
    assert found.exit_code == 2
    rows = json.loads(found.stdout)
    names = [str(folder / name) for name in ("a.yaml", "b.yaml", "below/c.yml", "ci.yaml")]
    assert [row["source"] for row in rows] == [*names, "mnist_fc"]
    assert [row["valid"] for row in rows] == [True, False, True, False, True]
    assert rows[0]["parameters"] == 545_810
    assert rows[1]["problems"] == [
        {
            "file": names[1],
            "line": 2,
            "path": "model.hiden_sizes",
            "message": "unknown key (did you mean 'hidden_sizes'?)",
        }
    ]
    suites = ElementTree.parse(junit).getroot()
    assert (suites.tag, suites.get("tests"), suites.get("failures")) == ("testsuites", "5", "2")
    (suite,) = suites
    assert [case.get("name") for case in suite] == [*names, "mnist_fc"]
    assert [case.find("failure") is not None for case in suite] == [False, True, False, True, False]


@pytest.mark.parametrize("command", [("validate",), ("describe", "--no-data")])
def test_one_file_is_an_object_and_a_folder_a_list_however_many_it_holds(command, tmp_path):
    (tmp_path / "a.yaml").write_text("extends: mnist_fc\n")
    alone = json.loads(run(*command, "--json", "--spec", tmp_path / "a.yaml").stdout)
    (row,) = json.loads(run(*command, "--json", "--spec", tmp_path).stdout)
    assert row == {"source": str(tmp_path / "a.yaml"), **alone}


def test_a_folder_without_specs_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    found = run("validate", "--spec", tmp_path)
    assert (found.exit_code, found.stdout) == (2, "")
    assert f"{tmp_path}: no spec file in this folder" in found.stderr


def test_describe_lists_those_that_it_cannot_read_with_their_error(folder):
    found = run("describe", "--spec", folder, "--json", "--no-data")
    assert found.exit_code == 2
    rows = json.loads(found.stdout)
    assert [row.get("parameters") for row in rows] == [545_810, None, 62_710, None]
    assert "unknown key" in rows[1]["error"]


def test_a_drawing_is_of_one_spec(folder):
    found = run("describe", "--spec", folder, "--svg", folder / "graph.svg")
    assert found.exit_code == 2
    assert "a drawing is of one spec" in found.stderr


@pytest.fixture
def judged(monkeypatch):
    """A parity suite that fails what is called ``c``, and cannot judge mnist_fc."""

    def run_parity(spec, **options):
        if spec.name == "mnist_fc":
            raise EnvironmentFault("PyTorch is not installed")
        row = LevelResult("loss", "float64", spec.name != "c", 1.0, 0.5, "loss")
        return ParityReport(spec.name, (row,))

    monkeypatch.setattr("zoo_common.parity.suite.run_parity", run_parity)


@pytest.mark.parametrize(("last", "status"), [("below/c.yml", 1), ("b.yaml", 2)])
def test_the_worst_status_of_parity_is_the_commands(last, status, folder, judged):
    found = run("parity", "--spec", folder / last, "--spec", folder / "a.yaml")
    assert found.exit_code == status
    assert "parity of a " in found.stdout


def test_parity_of_many_is_one_json_and_one_junit(folder, judged):
    junit = folder / "parity.xml"
    found = run("parity", "--spec", folder, "--spec", "mnist_fc", "--json", "--junit", junit)
    assert found.exit_code == 3
    rows = json.loads(found.stdout)
    assert [row["passed"] for row in rows] == [True, False, False, False, False]
    assert [len(row["levels"]) for row in rows] == [1, 0, 1, 0, 0]
    assert rows[4]["error"] == "PyTorch is not installed"
    suites = ElementTree.parse(junit).getroot()
    assert (suites.tag, len(suites), suites.get("failures")) == ("testsuites", 5, "4")
    assert suites[1][0].find("failure").text.endswith("unknown key (did you mean 'hidden_sizes'?)")


def test_parity_of_one_spec_that_is_wrong_is_a_failure_in_its_junit(folder, judged):
    junit = folder / "parity.xml"
    found = run("parity", "--spec", folder / "b.yaml", "--json", "--junit", junit)
    assert (found.exit_code, found.stdout) == (2, "")
    suite = ElementTree.parse(junit).getroot()
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "1", "1")


@pytest.mark.parametrize("command", ["show", "train"])
def test_an_option_that_takes_one_value_is_refused_when_given_twice(command):
    framework = ("--framework", "torch") if command == "train" else ()
    found = run(command, *framework, "--spec", "mnist_fc", "--spec", "bert_tiny")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "--spec is given 2 times; it takes one value" in found.stderr
