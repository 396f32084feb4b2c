"""The command as a whole: what it loads, how it ends, and what its help shows."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from zoo_common.cli.main import application, exit_status
from zoo_spec.errors import EnvironmentFault, InputError, ZooError

HEAVY = ("torch", "tensorflow", "keras", "sklearn", "matplotlib", "tokenizers", "rich", "numpy", "zoo_spec")
SOURCE = Path(__file__).parents[2] / "src"


def zoo(*arguments, **environment):
    """The command in a process of its own, as a user runs it."""
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "zoo_common.cli.main", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path, **environment},
        check=False,
    )


def loaded_by(*arguments):
    """The heavy modules that a command loads."""
    code = (
        "import sys\n"
        "from zoo_common.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"finally:\n    print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    return set(done.stderr.split())


def commands():
    return [command.name for command in application().registered_commands]


def commands_of_groups():
    return [
        (group.typer_instance.info.name, command.name)
        for group in application().registered_groups
        for command in group.typer_instance.registered_commands
    ]


def test_help_loads_nothing_heavy():
    assert loaded_by("--help") == set()


@pytest.mark.parametrize("command", [*((each,) for each in commands()), *commands_of_groups()], ids=" ".join)
def test_help_of_a_command_loads_nothing_heavy(command):
    assert loaded_by(*command, "--help") == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["describe", "--spec", "bert_tiny", "--json"],
        ["list"],
        ["schema"],
        ["data", "inspect", "--spec", "unet_tiny"],
    ],
    ids=" ".join,
)
def test_what_is_known_without_a_framework_loads_none(arguments):
    assert not loaded_by(*arguments) & {"torch", "tensorflow", "keras", "matplotlib", "sklearn"}


@pytest.mark.parametrize("command", commands())
def test_help_of_every_command_has_an_example(command):
    found = CliRunner().invoke(application(), [command, "--help"])
    assert found.exit_code == 0
    assert "Example" in found.stdout
    assert f"  zoo {command}" in found.stdout


@pytest.mark.parametrize("command", commands())
def test_the_page_of_commands_names_every_one(command):
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"| `zoo {command}" in page


def test_help_of_parity_names_its_levels_in_order():
    from zoo_common.parity.results import LEVELS

    told = " ".join(
        CliRunner().invoke(application(), ["parity", "--help"], env={"COLUMNS": "400"}).stdout.split()
    )
    places = [told.index(f" {level}", told.index("The last level:")) for level in LEVELS]
    assert places == sorted(places)


def test_version_is_printed():
    found = zoo("--version")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("zoo")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["show"],
        ["describe", "--spec", "bert_tiny", "--batch", "0"],
        ["describe", "--spec", "bert_tiny", "--batch", "two"],
        ["describe", "--spec", "bert_tiny", "--size", "sequence"],
        ["describe", "--spec", "bert_tiny", "--json", "--markdown"],
        ["describe", "--spec", "bert_tiny", "--sequence", "513", "--no-data"],
        ["describe", "--spec", "bert_tiny", "--size", "height=3", "--no-data"],
        ["describe", "--spec", "no_such_spec"],
        ["show", "--spec", "no_such_file.yaml"],
        ["validate", "--spec", "bert_tiny", "--set", "model.num_heads=3"],
        ["validate", "--spec", "bert_tiny", "--set", "model.no_such_field=3"],
        ["validate", "--spec", "bert_tiny", "--set", "nonsense"],
    ],
)
def test_wrong_input_ends_with_status_2_and_a_message(arguments):
    found = CliRunner().invoke(application(), arguments)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert found.stderr
    assert "Traceback" not in found.stderr


def test_a_file_that_is_no_spec_is_named_with_its_line(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("extends: bert_tiny\nmodel:\n  hidden_sise: 128\n", encoding="utf-8")
    found = zoo("validate", "--spec", str(file))
    assert (found.returncode, found.stdout) == (2, "")
    assert f"{file}:3: model.hidden_sise" in found.stderr
    assert "hidden_size" in found.stderr
    assert "Traceback" not in found.stderr


def test_debug_shows_the_traceback_and_keeps_the_status():
    found = zoo("show", "--spec", "no_such_spec", ZOO_DEBUG="1")
    assert found.returncode == 2
    assert "Traceback" in found.stderr


class FailedCheckError(ZooError):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FailedCheckError("apart"), 1),
        (InputError("wrong"), 2),
        (EnvironmentFault("too little"), 3),
        (MemoryError(), 3),
        (OSError(28, "No space left on device"), 3),
        (KeyboardInterrupt(), 130),
        (ValueError("a defect"), None),
    ],
)
def test_each_error_has_its_status(error, status, capsys):
    assert exit_status(error) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert bool(printed.err) == (status is not None)


def test_an_interrupted_command_ends_with_130_and_no_traceback(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo_spec.spec_files.schema.json_schema", interrupted)
    found = CliRunner().invoke(application(), ["schema"])
    assert found.exit_code == 130
    assert "Traceback" not in found.output


@pytest.mark.skipif(os.name == "nt", reason="Windows has no broken pipes of this kind")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["schema"], 0),
        (["list"], 0),
        (["list", "--json"], 0),
        (["describe", "--spec", "bert_tiny", "--no-data"], 0),
        (["show", "--spec", "bert_tiny"], 0),
    ],
)
def test_a_reader_that_goes_away_is_met_quietly(arguments, status):
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo_common.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])},
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (status, b"")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no broken pipes of this kind")
def test_a_check_keeps_its_status_when_nobody_reads(tmp_path):
    read, write = os.pipe()
    os.close(read)
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable,
        "-m",
        "zoo_common.cli.main",
        "validate",
        "--spec",
        "mnist_fc",
        "--spec",
        "no_such",
    ]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    os.close(write)
    assert done.returncode == 2
    assert b"no shipped spec is called 'no_such'" in done.stderr


STEERING = "\x1b]0;x\x07\x1b[31m\u202e\x9b1m"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_what_steers_a_terminal_is_written_as_escapes(tmp_path):
    name = os.fsdecode(b"no\xff.yaml")
    for given in (STEERING + ".yaml", name):
        found = zoo("validate", "--spec", given, "--json", "--junit", str(tmp_path / "found.xml"))
        assert found.returncode == 2
        shown = found.stderr + found.stdout + (tmp_path / "found.xml").read_text(encoding="utf-8")
        assert all(each.isprintable() or each == "\n" for each in shown)
        assert json.loads(found.stdout)["spec"] == given
        ElementTree.parse(tmp_path / "found.xml")


def test_a_console_shows_controls_of_its_own_alone():
    from rich.text import Text

    from zoo_common.screen import rich_console

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    rich_console(screen).print(Text(f"a{STEERING}b", style="bold"))
    text = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue(), count=2)
    assert text.replace(" ", "").isprintable() or text.strip().isprintable()
    assert "\\u001b]0;x" in text


def test_files_get_utf_8_whatever_the_locale(tmp_path):
    found = zoo("describe", "--spec", "bert_tiny", "--no-data", PYTHONIOENCODING="ascii")
    assert found.returncode == 0
    assert "layers.0 … layers.1 (2×)" in found.stdout


def test_a_module_without_its_file_is_left_out(monkeypatch):
    monkeypatch.setattr("zoo_common.cli.main.COMMANDS", ("list_", "not_written"))
    found = application.__wrapped__()
    assert isinstance(found, typer.Typer)
    assert [command.name for command in found.registered_commands] == ["list"]


def test_show_prints_a_file_that_loads_to_the_same_spec(tmp_path):
    from zoo_spec import load_spec

    printed = zoo("show", "--spec", "bert_tiny", "--set", "model.num_layers=3").stdout
    file = tmp_path / "bert_tiny.yaml"
    file.write_text(printed, encoding="utf-8")
    assert load_spec(file) == load_spec("bert_tiny", ["model.num_layers=3"])
    assert "num_layers: 3  # --set" in printed


def test_schema_prints_one_json_document():
    found = zoo("schema")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["title"] == "Zoo spec file"
