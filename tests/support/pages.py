"""Pages whose examples are run: blocks of code behind a mark, in the order in which they stand.

``<!-- run -->`` runs what follows, ``<!-- run: status 1 -->`` expects that exit status of its last command, and
``<!-- file: NAME -->`` writes what follows into a file. The marks are invisible where the page is read.
"""

from __future__ import annotations

import glob
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"<!-- (run(?:: status \d+)?|file: [^ ]+) -->\n```(\w*)\n(.*?)```", re.DOTALL)
_PYTEST = ("-p", "zoo_common.pytest_plugin", "-p", "no:cacheprovider", "--import-mode=importlib")


@dataclass(frozen=True)
class Block:
    """A block of code, its language, and what to do with it."""

    mark: str
    language: str
    code: str


def pages():
    """Every page that has such blocks."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in found if blocks(page)]


def blocks(page):
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def run(page):
    """Run the page's blocks in the current folder: ``zoo``, ``pytest`` and Python in this process."""
    for block in blocks(page):
        what, _, value = block.mark.partition(": ")
        if what == "file":
            file = Path(value)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.code, str(page), "exec"), {"__name__": "__main__"})
        else:
            *before, last = _commands(block.code)
            for command in before:
                _expect(page, command, 0)
            _expect(page, last, int(value.removeprefix("status ") or 0))


def _commands(code):
    lines = (line.strip() for line in code.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _expect(page, command, status):
    found, told = _run(command)
    assert found == status, f"{page.name}: {command}\nended with status {found}: {told}"


def _run(command):
    words = shlex.split(command, comments=True)
    if words[0] == "zoo":
        words, _, output = _split(words, ">")
        given = [name for word in words[1:] for name in (sorted(glob.glob(word)) or [word])]
        found = CliRunner().invoke(application(), given)
        if output:
            Path(output).write_text(found.stdout, encoding="utf-8")
        return found.exit_code, f"{found.output}{found.exception or ''}"
    if words[0] == "pytest":
        return pytest.main([*_PYTEST, *words[1:]]), "see what it printed"
    if words[0] in ("python", "torchrun"):
        module = [] if words[0] == "python" else ["-m", "torch.distributed.run"]
        done = subprocess.run(
            [sys.executable, *module, *words[1:]], capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr
    raise ValueError(f"{command}: pages run zoo, pytest, python and torchrun")


def _split(words, at):
    place = words.index(at) if at in words else len(words)
    return words[:place], at, "".join(words[place + 1 :])
