"""A framework or a plugin that raises when it is imported is one line, and what does not need it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
PLUGINS = "[zoo.plugins]\nbroken = broken_plugin\n"
BACKENDS = "[zoo.backends]\nbroken = broken_plugin:Backend\n"


def zoo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(SOURCE)])}
    command = [sys.executable, "-m", "zoo_common.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def installed(folder: Path, code: str, entries: str = PLUGINS) -> Path:
    """A package with these entry points, as pip would leave it."""
    (folder / "broken_plugin.py").write_text(code)
    about = folder / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entries)
    return folder


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
