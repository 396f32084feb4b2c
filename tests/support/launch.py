"""Python in a process of its own, begun where the libraries are loaded: nothing of the zoo, and no framework unasked.

A library takes longer to import than most commands to run. So a process that has imported it waits, and forks one
that goes on as ``python -m`` or ``python -c`` would. Where there is no fork that one can rely on, Python is launched.
That it may be launched, ``tests/cli/test_main.py`` tries, for each command.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
LIGHT = (
    "numpy pydantic yaml typer rich rich.console rich.progress psutil filelock tokenizers importlib.metadata"
)
LIBRARIES = {
    "": LIGHT,
    "digits": f"{LIGHT} sklearn.datasets",
    "torch": f"{LIGHT} sklearn.datasets torch torch._dynamo",
    "tf": f"{LIGHT} sklearn.datasets tensorflow keras",
}
"""What is loaded before, by a word for it."""
TIMEOUT = 300

SERVER = """
import atexit, gc, json, os, runpy, signal, sys, threading, traceback
answers = os.fdopen(os.dup(1), "w")
requests = os.fdopen(os.dup(0))
nowhere = os.open(os.devnull, os.O_RDWR)
os.dup2(nowhere, 0), os.dup2(nowhere, 1)
plain = sys.path[1:]
sys.modules["pyarrow"] = None  # It starts a thread, and pandas, which the frameworks import, does without it.
for name in sys.argv[1:]:
    __import__(name)
del sys.modules["pyarrow"]
assert not [name for name in sys.modules if name.startswith("zoo_")]
forks = len(os.listdir("/proc/self/task")) == 1  # No fork has threads that a library has started.
print(int(forks), file=answers, flush=True)
gc.collect()
gc.freeze()
for line in requests:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        break
    timer = signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(asked["timeout"])
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
else:
    sys.exit()
answers.close(), requests.close()
for number, file in ((1, asked["output"]), (2, asked["errors"])):
    opened = os.open(file, os.O_WRONLY | os.O_CREAT)
    os.dup2(opened, number), os.close(opened)
os.chdir(asked["folder"])
os.environ.clear()
os.environ.update(asked["environment"])
kind, what, *rest = asked["arguments"]
path = [part for part in asked["environment"].get("PYTHONPATH", "").split(os.pathsep) if part]
sys.path[:] = ["" if kind == "-c" else os.getcwd(), *path, *(part for part in plain if part not in path)]
sys.argv[:] = [kind, *rest]
sys.path_importer_cache.clear()
try:
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    status = 0
except SystemExit as error:
    status = error.code if isinstance(error.code, int) else int(error.code is not None)
    if status and not isinstance(error.code, int):
        print(error.code, file=sys.stderr)
except BaseException as error:
    traceback.print_exception(error)
    status = 1
# What an interpreter does at its end, without taking apart the libraries that were loaded.
threading._shutdown()
atexit._run_exitfuncs()
for stream in (sys.stdout, sys.stderr):
    stream.flush()
os._exit(status)
"""


def python(
    *arguments: str | Path,
    path: Sequence[Path] = (),
    loaded: str = "",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, of which the first is ``-m`` or ``-c``; ``path`` comes before the zoo's source."""
    command = [str(argument) for argument in arguments]
    variables = {**os.environ, **(environment or {})}
    variables["PYTHONPATH"] = os.pathsep.join(map(str, (*path, SOURCE)))
    folder = str(cwd or Path.cwd())
    if sys.platform != "linux" or not _server(loaded, os.getpid()).forks:
        return subprocess.run(
            [sys.executable, *command],
            env=variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    with tempfile.TemporaryDirectory(prefix="zoo-launch-") as place:
        output, errors = Path(place, "output"), Path(place, "errors")
        asked = {
            "arguments": command,
            "environment": variables,
            "folder": folder,
            "timeout": TIMEOUT,
            "output": str(output),
            "errors": str(errors),
        }
        status = _server(loaded, os.getpid()).ask(asked)
        told = (output.read_text(encoding="utf-8"), errors.read_text(encoding="utf-8"))
    return subprocess.CompletedProcess([sys.executable, *command], status, *told)


def zoo(
    *arguments: str | Path, path: Sequence[Path] = (), loaded: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The command ``zoo``."""
    return python("-m", "zoo_common.cli.main", *arguments, path=path, loaded=loaded, cwd=cwd)


class _Server:
    """A process that forks what it is asked for; ``forks`` if it can, which a library's threads forbid."""

    def __init__(self, loaded: str) -> None:
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, *LIBRARIES[loaded].split()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Arrow, which pandas loads, begins no thread of its own then.
            env={
                **variables,
                "KERAS_BACKEND": "tensorflow",
                "JE_ARROW_MALLOC_CONF": "background_thread:false",
            },
        )
        atexit.register(self.close)
        self.forks = bool(self._answer())

    def ask(self, asked: Mapping[str, object]) -> int:
        """The exit status of what was asked for."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        assert answer, "what waits with the libraries loaded has ended; it has said why above"
        return int(answer)

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


@cache
def _server(loaded: str, process: int) -> _Server:
    """One a process of pytest's; a fork of that has none of its own yet."""
    return _Server(loaded)
