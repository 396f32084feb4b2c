"""``pytest --zoo-specs``: what is collected, what a failure says, and what it costs those who do not use it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "zoo_common.pytest_plugin"
SMALL = "extends: mnist_fc\nmodel: {hidden_sizes: [5], image_size: [4, 4]}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a test, and specs: one at the top, one in a folder that pytest does not enter, one wrong."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "tests/test_one.py": "def test_one(): pass\n",
        "specs/small.yaml": SMALL,
        "specs/build/other.yml": SMALL,
        "specs/wrong.yaml": "on: push\njobs: {}\n",
        "specs/.hidden.yaml": "on: push\n",
        "empty/readme.txt": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def pytest_run(project, capsys):
    """Runs pytest in the folder, in this process: its status, its output and its errors."""

    def run(*arguments):
        # pytester would take back modules that a run loads, and no framework can be loaded twice.
        settings = ("-p", PLUGIN, "-p", "no:cacheprovider", "--import-mode=importlib")
        capsys.readouterr()
        status = pytest.main([*settings, *arguments])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def collected(pytest_run):
    def collect(*arguments):
        status, printed, _ = pytest_run("--collect-only", "-q", *arguments)
        assert status == 0
        return {line for line in printed.splitlines() if "::" in line}

    return collect


TEST = "tests/test_one.py::test_one"
ALL = {f"specs/{name}::parity" for name in ("small.yaml", "build/other.yml", "wrong.yaml")}


def test_specs_are_collected_alone_with_tests_or_by_their_names(collected):
    assert collected() == {TEST}
    assert collected("--zoo-specs", "specs") == ALL
    assert collected("--zoo-specs=specs", "tests") == {TEST, *ALL}
    assert collected("--zoo-specs", "specs", "-k", "small or test_one") == {"specs/small.yaml::parity"}
    assert collected("--zoo-specs", "specs/small.yaml", "--zoo-specs", "specs/build") == {
        "specs/small.yaml::parity",
        "specs/build/other.yml::parity",
    }
    # As the summary names one that failed.
    one = "specs/wrong.yaml::parity"
    assert collected("--zoo-specs", "specs", one) == {one}


def test_a_setting_in_a_file_adds_specs_to_what_is_run_anyway(project, collected):
    (project / "pytest.ini").write_text("[pytest]\naddopts = --zoo-specs specs\n")
    assert collected() == {TEST, *ALL}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--zoo-specs", "nowhere"], "--zoo-specs: there is no folder or file 'nowhere' in "),
        (
            ["--zoo-specs", "empty"],
            "--zoo-specs: empty: no spec file in this folder; they end in .yaml or .yml",
        ),
        (["--zoo-specs", "specs", "--zoo-specs", "gone.yaml"], "there is no folder or file 'gone.yaml'"),
        (
            ["--zoo-specs", "specs", "--zoo-level", "forwards"],
            "no parity level 'forwards'; there are: parameters",
        ),
        (["--zoo-specs", "specs", "--zoo-steps", "1"], "--zoo-steps: 1 is no curve; give 2 or more"),
    ],
)
def test_what_is_no_folder_of_specs_is_a_usage_error_in_a_line(pytest_run, arguments, says):
    status, printed, errors = pytest_run(*arguments)
    assert status == pytest.ExitCode.USAGE_ERROR == 4
    (line,) = [line for line in errors.splitlines() if line]
    assert line.startswith("ERROR: --zoo-")
    assert says in line
    assert "Traceback" not in printed


def test_a_spec_that_agrees_passes_and_a_file_that_is_none_fails_by_its_message(project, pytest_run):
    specs = ("--zoo-specs", "specs/small.yaml", "--zoo-specs", "specs/wrong.yaml")
    # Warnings as errors, as strict projects have it: nothing of ours may raise one.
    given = (*specs, "--zoo-level", "forward", "--zoo-small", "-W", "error", "-rA")
    status, shown, _ = pytest_run(*given)
    assert status == 1, shown
    assert "PASSED specs/small.yaml::parity" in shown
    assert "forward (float64): " in shown
    assert "FAILED specs/wrong.yaml::parity - " in shown
    told = shown.split(" parity of wrong ")[1].split("\n===")[0].splitlines()[1:]
    assert all(line.startswith(f"{project / 'specs' / 'wrong.yaml'}:") for line in told)
    assert any("2: jobs: unknown key" in line for line in told)


def test_a_session_without_the_option_loads_nothing_of_zoo_but_the_plugin(project):
    project.joinpath("conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    rooms = ('zoo_spec', 'zoo_common', 'zoo_torch', 'zoo_tf', 'torch', 'tensorflow', 'numpy', 'pydantic')\n"
        "    print(sorted(name for name in sys.modules if name.partition('.')[0] in rooms))\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-p", PLUGIN, "-s", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout
    assert found.stdout.splitlines()[-1] == f"['zoo_common', '{PLUGIN}']"


def test_the_installed_package_registers_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
