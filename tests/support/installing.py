"""Packages installed by pip, as users install them, into a folder of a test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import launch

ROOT = Path(__file__).parents[2]
ZOO = """
import sys
from zoo_common.cli.main import main

def zoo(*arguments):
    try:
        main(list(arguments))
    except SystemExit as done:
        assert not done.code, (arguments, done.code)

def imported(*names):
    return [name for name in names if name in sys.modules]
"""
"""What code for ``python`` may begin with."""


def install(source: Path, folder: Path) -> Path:
    """Where pip has installed the package: from a copy, for a build leaves files beside its source."""
    shutil.copytree(source, folder / "source")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site"))
    command = [sys.executable, "-m", "pip", "install", *options, str(folder / "source")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return folder / "site"


def python(site: Path, *arguments: str, loaded: str = "digits") -> subprocess.CompletedProcess[str]:
    """A Python of its own, where this package and what lies at ``site`` are installed."""
    return launch.python(*arguments, path=[site], loaded=loaded)


def said(site: Path, code: str, *arguments: str, loaded: str = "digits") -> str:
    """What the code prints; it must succeed."""
    found = python(site, "-c", code, *arguments, loaded=loaded)
    assert found.returncode == 0, found.stderr
    return found.stdout
