"""``action.yml``: its steps run as a runner would run them, and docs/ci.md says what it takes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
INPUTS = re.compile(r"\$\{\{ (?:inputs\.([\w-]+)|github\.action_path) \}\}")

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None, reason="a composite action's steps are for bash"
)


def run(name, folder, given, path):
    """A step's commands, its expressions filled in."""

    def value(found):
        return (
            str(ROOT) if found[1] is None else given.get(found[1], ACTION["inputs"][found[1]].get("default"))
        )

    settings = {key: INPUTS.sub(value, text) for key, text in STEPS[name]["env"].items()}
    environment = {**os.environ, **settings, "PATH": os.pathsep.join([str(path), os.environ["PATH"]])}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture
def recorder(tmp_path):
    """A folder with a ``python`` and a ``zoo`` that write down what they are given, a line an argument."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("python", "zoo"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" > "{tmp_path}/given"\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return folder


def given(tmp_path):
    return (tmp_path / "given").read_text(encoding="utf-8").splitlines()


def test_it_installs_this_checkout_by_its_constraints_from_the_index_for_cpus(tmp_path, recorder):
    assert run("install", tmp_path, {}, recorder).returncode == 0
    *before, constraints, package = given(tmp_path)
    assert before[-2:] == ["https://download.pytorch.org/whl/cpu", "-c"]
    assert before[:4] == ["python", "-m", "pip", "install"]
    assert Path(constraints).is_file()
    folder, extras = re.fullmatch(r"(.*)\[(.*)\]", package).groups()
    assert Path(folder, "pyproject.toml").is_file()
    assert set(extras.split(",")) >= {"torch", "tf"}
    run("install", tmp_path, {"torch-index": "https://mirror/simple"}, recorder)
    assert "https://mirror/simple" in given(tmp_path)


def test_it_hands_its_inputs_to_zoo_parity_as_they_are(tmp_path, recorder):
    asked = {"specs": "my specs; rm -rf $HOME", "level": "loss", "steps": "7", "junit": "out.xml"}
    run("parity", tmp_path, asked, recorder)
    expected = [
        "zoo",
        "parity",
        "--spec",
        asked["specs"],
        "--level",
        "loss",
        "--steps",
        "7",
        "--junit",
        "out.xml",
    ]
    assert given(tmp_path) == expected
    run("parity", tmp_path, {**asked, "small": "true"}, recorder)
    assert given(tmp_path) == [*expected, "--small"]


def test_its_check_ends_with_the_status_of_parity(tmp_path):
    spec = tmp_path / "specs" / "wrong.yaml"
    spec.parent.mkdir()
    spec.write_text("extends: mnist_fc\nmodel: {hidden_sise: 5}\n", encoding="utf-8")
    programs = tmp_path / "programs"
    programs.mkdir()
    code = "import sys; from zoo_common.cli.main import main; main(sys.argv[1:])"
    zoo = programs / "zoo"
    zoo.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT / 'src'}' exec '{sys.executable}' -c '{code}' \"$@\"\n")
    zoo.chmod(zoo.stat().st_mode | stat.S_IEXEC)
    found = run("parity", tmp_path, {"specs": "specs"}, programs)
    assert found.returncode == 2
    assert "hidden_sise: unknown key" in found.stderr
    assert ElementTree.parse(tmp_path / "zoo-parity.xml").getroot().get("failures") == "1"


def test_the_page_names_every_input_with_its_default():
    rows = dict(re.findall(r"\| `([\w-]+)` \| (.*?) \|", PAGE))
    for name, about in ACTION["inputs"].items():
        default = "required" if about.get("required") else f"`{about['default']}`"
        assert rows[name] in (default, "PyTorch's for the CPU")
        assert about["description"]
    (block,) = [code for code in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "uses: OWNER" in code]
    (step,) = yaml.safe_load(block)["jobs"]["parity"]["steps"][1:]
    assert step["with"].keys() <= ACTION["inputs"].keys()


def test_every_expression_of_a_step_is_an_input_and_none_is_in_a_script():
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")
        for text in (*step.get("env", {}).values(), *step.get("with", {}).values()):
            (found,) = INPUTS.finditer(text)
            assert found[1] is None or found[1] in ACTION["inputs"]
