"""A framework, a plugin or a library that is missing or raises is one line, and what does not need it lives."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import launch

PLUGINS = "[zoo.plugins]\nbroken = broken_plugin\n"
BACKENDS = "[zoo.backends]\nbroken = broken_plugin:Backend\n"


def zoo(folder: Path, *arguments: str, loaded: str = "digits") -> subprocess.CompletedProcess[str]:
    return launch.zoo(*arguments, path=[folder], loaded=loaded)


WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Missing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("matplotlib", "sklearn")
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Missing
from zoo_common.cli.main import application, main
"""
"""Makes a process where the libraries that are extras are not installed."""


def without_extras(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return launch.python("-c", WITHOUT + code, *arguments, cwd=folder)


def installed(folder: Path, code: str, entries: str = PLUGINS, *, name: str = "broken") -> Path:
    """A package with these entry points, as pip would leave it."""
    (folder / f"{name}_plugin.py").write_text(code)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "top_level.txt").write_text(f"{name}_plugin\n")
    (about / "entry_points.txt").write_text(entries)
    return folder


def block(*kinds: str) -> str:
    """A module with a class for each kind, that gives what it takes."""
    head = "from typing import Literal\nfrom zoo_spec.blocks.activation import Activation\n"
    return head + "".join(
        f"class Mine(Activation):\n    'Nothing.'\n    kind: Literal['{kind}'] = '{kind}'\n" for kind in kinds
    )


def a_spec_of(folder: Path, kind: str) -> str:
    """A spec with this activation."""
    path = folder / "spec.yaml"
    path.write_text(f"extends: mnist_fc\nmodel: {{activation: {kind}}}\n")
    return str(path)


def test_the_list_lives_with_a_plugin_that_does_not(tmp_path):
    found = zoo(installed(tmp_path, "raise RuntimeError('no \\x1b[31m luck\\nat all')"), "list")
    assert found.returncode == 0
    assert "bert_tiny" in found.stdout
    (line,) = found.stderr.splitlines()
    assert "the plugin broken (broken_plugin) cannot be imported: RuntimeError: no \\x1b[31m luck; " in line


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
        (
            "from zoo_spec.blocks.base import Block\n"
            "from typing import Literal\n"
            "import zoo_spec.blocks.dense\n"
            "class Mine(Block):\n    kind: Literal['dense'] = 'dense'\n",
            "kind 'dense' is taken by",
        ),
    ],
)
def test_a_kind_that_may_be_a_broken_plugins_is_one_line_and_status_3(tmp_path, code, says):
    installed(tmp_path, code)
    spec = tmp_path / "spec.yaml"
    spec.write_text("extends: mnist_fc\nmodel: {activation: mine}\n")
    found = zoo(tmp_path, "validate", "--spec", str(spec))
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert "kind 'mine' is known, but the plugin broken (broken_plugin) cannot be imported: " in line
    assert says in line
    assert zoo(tmp_path, "validate", "--spec", "mnist_fc").returncode == 0


@pytest.mark.parametrize(
    ("framework", "code", "says"),
    [
        (
            "broken",
            "1 / 0",
            "the framework broken (broken_plugin:Backend) cannot be imported: ZeroDivisionError",
        ),
        ("broken", "", "AttributeError: module 'broken_plugin' has no attribute 'Backend'"),
        ("torch", "raise OSError('libcudart.so.12: cannot open')", "OSError: libcudart.so.12: cannot open"),
        ("tf", "raise ImportError('numpy.core')", "ImportError: numpy.core"),
    ],
)
def test_a_framework_that_fails_to_import_is_one_line_and_status_3(tmp_path, framework, code, says):
    installed(tmp_path, code, BACKENDS)
    if framework != "broken":
        package = tmp_path / {"tf": "tensorflow", "torch": "torch"}[framework]
        package.mkdir()
        (package / "__init__.py").write_text(code)
    found = zoo(
        tmp_path, "train", "--framework", framework, "--spec", "mnist_fc", "--run-dir", str(tmp_path / "run")
    )
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert says in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "library", "extra"),
    [
        (["demo"], "matplotlib", "plot"),
        (["plot", "runs"], "matplotlib", "plot"),
        (["validate", "--spec", "mnist_fc"], "scikit-learn", "digits"),
        (["train", "--framework", "torch", "--spec", "vit_tiny"], "scikit-learn", "digits"),
    ],
)
def test_a_library_that_is_an_extra_is_asked_for_in_one_line(tmp_path, arguments, library, extra):
    found = without_extras(tmp_path, "main(sys.argv[1:])", *arguments)
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert f"needs {library}, which is not installed: pip install 'dualzoo[{extra}]'" in line
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_library_that_fails_to_import_is_one_line_too(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise OSError('libpng16.so: cannot open')")
    found = zoo(tmp_path, "plot", "runs")
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert "matplotlib, which cannot be imported (OSError: libpng16.so: cannot open): pip install" in line


def test_text_is_learned_and_specs_are_listed_without_the_extras(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("The cat sat on the mat. The dog ran to the door, and the cat ran too.\n\n\n" * 40)
    settings = [
        "training.steps=2",
        "training.batch_size=2",
        "data.sequence_length=24",
        f"data.files=[{text}]",
    ]
    train = ["train", "--framework", "torch", "--spec", "bert_tiny", "--run-dir", "run"]
    code = """
from typer.testing import CliRunner
for given in (["--help"], ["list"], ["describe", "--spec", "mnist_fc"], sys.argv[1:]):
    found = CliRunner().invoke(application(), given)
    assert found.exit_code == 0, (given, found.output, found.exception)
assert not {"matplotlib", "sklearn"} & set(sys.modules)
"""
    found = without_extras(tmp_path, code, *train, *(part for each in settings for part in ("--set", each)))
    assert found.returncode == 0, found.stderr
    assert '"split": "eval"' in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_a_kind_of_two_plugins_names_both_and_the_list_lives(tmp_path):
    for name in ("first", "second"):
        installed(tmp_path, block("mine"), f"[zoo.plugins]\n{name} = {name}_plugin\n", name=name)
    found = zoo(tmp_path, "validate", "--spec", a_spec_of(tmp_path, "mine"))
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert "kind 'mine' is taken by first_plugin.Mine (package first)" in line
    assert "second_plugin.Mine (package second)" in line
    assert zoo(tmp_path, "validate", "--spec", "mnist_fc").returncode == 0
    listed = zoo(tmp_path, "list")
    assert listed.returncode == 0
    assert "bert_tiny" in listed.stdout
    (warning,) = listed.stderr.splitlines()
    assert "package first" in warning
    assert "package second" in warning


def test_a_kind_that_one_plugin_registers_twice_is_refused_and_nothing_of_it_stays(tmp_path):
    installed(tmp_path, block("other", "mine", "mine"))
    for kind in ("mine", "other"):
        found = zoo(tmp_path, "validate", "--spec", a_spec_of(tmp_path, kind))
        assert (found.returncode, found.stdout) == (3, ""), found
        (line,) = found.stderr.splitlines()
        assert "kind 'mine' is taken by broken_plugin.Mine (package broken)" in line
    assert zoo(tmp_path, "list").returncode == 0


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_a_half_that_fails_to_import_matters_where_its_block_is_used(tmp_path, framework):
    entries = "[zoo.plugins]\nbroken = broken_plugin\n"
    for each in ("torch", "tf"):
        entries += f"[zoo.plugins.{each}]\nbroken = broken_{each}\n"
        (tmp_path / f"broken_{each}.py").write_text("1 / 0")
    installed(tmp_path, block("mine"), entries)
    mine = ("--spec", a_spec_of(tmp_path, "mine"))
    assert zoo(tmp_path, "validate", *mine).returncode == 0  # No framework is imported.
    run = ("--run-dir", str(tmp_path / "run"), "--set", "training.steps=1")
    found = zoo(tmp_path, "train", "--framework", framework, *mine, *run, loaded=framework)
    assert (found.returncode, found.stdout) == (3, ""), found
    last = found.stderr.splitlines()[-1]
    assert last.startswith(
        f"block 'mine' has no {framework} half, but the {framework} half of the plugin broken ("
    )
    assert "cannot be imported: ZeroDivisionError: division by zero; " in last
    assert "Traceback" not in found.stderr
    found = zoo(
        tmp_path,
        "train",
        "--framework",
        framework,
        "--spec",
        "mnist_fc",
        "--run-dir",
        str(tmp_path / "well"),
        *run[2:],
        loaded=framework,
    )
    assert found.returncode == 0, found
    assert found.stderr.count("cannot be imported: ZeroDivisionError") == 1


def test_a_half_that_nobody_registered_is_told_with_its_group(tmp_path):
    installed(tmp_path, block("mine"))
    run = ("--run-dir", str(tmp_path / "run"), "--set", "training.steps=1")
    found = zoo(
        tmp_path, "train", "--framework", "torch", "--spec", a_spec_of(tmp_path, "mine"), *run, loaded="torch"
    )
    assert found.returncode == 3
    assert (
        "block 'mine' has no torch half; a plugin registers one by the entry-point group zoo.plugins.torch"
        in (found.stderr)
    )


def test_a_half_of_another_s_block_does_not_take_its_place(tmp_path):
    entries = "[zoo.plugins]\nbroken = broken_plugin\n[zoo.plugins.torch]\nbroken = broken_half\n"
    installed(tmp_path, block("mine"), entries)
    (tmp_path / "broken_half.py").write_text(
        "from zoo_spec.blocks.dense import Dense\nfrom zoo_torch.blocks.base import build\n"
        "@build.register\ndef _dense(spec: Dense, inputs): raise RuntimeError('somebody has built me')\n"
    )
    run = ("--run-dir", str(tmp_path / "run"), "--set", "training.steps=1")
    found = zoo(tmp_path, "train", "--framework", "torch", "--spec", "mnist_fc", *run, loaded="torch")
    assert found.returncode == 0, found
    (line,) = [line for line in found.stderr.splitlines() if "broken" in line]
    assert (
        "the torch half of the plugin broken (broken_half) registers a half of zoo_spec.blocks.dense.Dense"
        in line
    )
    assert "which has one in zoo_torch.blocks.dense (package" in line
