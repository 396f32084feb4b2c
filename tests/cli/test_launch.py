"""Python that is forked where libraries are loaded (``tests/support/launch.py``) is what a launched one is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import launch

TOLD = """
import atexit, os, sys
atexit.register(print, "at the end")
print(sys.argv, sys.path, os.getcwd(), os.environ["PYTHONPATH"], __name__, sys.stdin.read())
print([name for name in sys.modules if name.startswith(("zoo_", "torch", "tensorflow", "keras", "matplotlib"))])
print("wrong", file=sys.stderr)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows launches, and ends a process by no signal")
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('said')", 1),
        ("1 / 0", 1),
        ("import signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
    ],
)
def test_it_sees_the_same_and_ends_the_same(tmp_path, end, status):
    arguments = ("-c", TOLD + end, "one", "two words")
    forked = launch.python(*arguments, path=[tmp_path], loaded="digits", cwd=tmp_path)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(launch.SOURCE)])}
    launched = subprocess.run(
        [sys.executable, *arguments],
        env=variables,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (forked.returncode, forked.stdout) == (launched.returncode, launched.stdout)
    assert forked.returncode == status
    assert forked.stderr.splitlines()[:1] == launched.stderr.splitlines()[:1] == ["wrong"]
    assert forked.stderr.splitlines()[-1:] == launched.stderr.splitlines()[-1:]


def test_one_knows_nothing_of_another(tmp_path):
    assert launch.python("-c", "import json; json.mine = 1; import zoo_spec").returncode == 0
    found = launch.python("-c", "import json, sys; print(hasattr(json, 'mine'), 'zoo_spec' in sys.modules)")
    assert found.stdout == "False False\n"


def test_a_module_is_run_as_the_program(tmp_path):
    (tmp_path / "mine.py").write_text("import sys\nprint(__name__, sys.argv[1:], sys.path[0])\n")
    found = launch.python("-m", "mine", "a", path=[tmp_path], cwd=tmp_path)
    assert found.stdout == f"__main__ ['a'] {tmp_path}\n"
