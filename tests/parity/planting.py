"""Runs the suite on patched copies of the source, each in a process of its own that begins with the libraries loaded.

The frameworks' own libraries take seven seconds to import, and start no thread until they compute: they are imported
once here, and every copy of the zoo in a fork. So nothing here may import the zoo.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from defects.base import Defect

ROOT = Path(__file__).parents[2]
STEPS = 20
"""Of the training curve; ``zoo parity`` takes 50."""
Json = dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """What came of a planted defect: the level that failed, what it named, and the first of all tests that failed."""

    caught: bool
    level: str = ""
    dtype: str = ""
    gap: str = ""
    block: str = ""
    side: str = ""
    detail: str = ""
    raised: str = ""
    test: str | None = None
    """None: not run; empty: all passed."""

    def names(self, defect: Defect) -> bool:
        """Whether block and side are those that the defect was planted in."""
        return self.side == defect.side and bool(self.block) and fnmatchcase(self.block, defect.place)

    @property
    def where(self) -> str:
        """Level and dtype, or what was raised."""
        if self.raised:
            return self.raised.split(":")[0]
        return f"{self.level} ({self.dtype})" if self.caught else "not caught"

    def as_json(self) -> Json:
        """For the cache."""
        return asdict(self)


def load_libraries() -> None:
    """Import what every copy needs; raises RuntimeError if that started a thread, which no fork survives."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _quiet():
        # It starts a thread, and pandas, which the frameworks import, does without it.
        sys.modules["pyarrow"] = None
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
        import torch._dynamo  # noqa: F401

        del sys.modules["pyarrow"]
    zoo = [name for name in sys.modules if name.startswith("zoo_")]
    if zoo:
        raise RuntimeError(f"{zoo[0]} is imported already, and a patched copy would not be")
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("importing the frameworks started threads; they would not be there after a fork")


def judge(defect: Defect | None) -> Outcome:
    """Parity alone on the defect's spec at its small size; None plants nothing, on a spec of every kind of block."""
    with _copy(defect, ("src", "configs")) as tree:
        found = _forked(tree, lambda: _parity(defect))
    if "raised" in found:
        return Outcome(True, raised=str(found["raised"]))
    if found["passed"]:
        return Outcome(False)
    level = found["levels"][-1]
    value = "not comparable" if level["value"] is None else f"{level['value']:.0e}"
    return Outcome(
        True,
        level["level"],
        level["dtype"],
        f"{value} > {level['limit']:.0e}",
        level["block"],
        level["side"],
        level["detail"],
    )


def first_failing_test(defect: Defect, *chosen: str) -> str:
    """The first of all tests that fails with the defect planted, this suite's own left out; empty if all pass."""
    names = [
        name
        for name in ("src", "configs", "tests", "docs", "examples", "benchmarks")
        if (ROOT / name).is_dir()
    ]
    files = [path.name for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    with _copy(defect, (*names, *files)) as tree:
        return str(_forked(tree, lambda: _tests(chosen))["failed"])


def _parity(defect: Defect | None) -> Json:
    from zoo_common.parity.suite import run_parity
    from zoo_spec import load_spec
    from zoo_spec.shrink import shrunk

    name, sets = (defect.spec, defect.sets) if defect else ("bert_tiny", ())
    return run_parity(shrunk(load_spec(name, sets)), steps=STEPS).as_json()


def _tests(chosen: tuple[str, ...]) -> Json:
    import pytest

    class First:
        failed = ""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and not self.failed:
                self.failed = report.nodeid

        def pytest_collectreport(self, report: pytest.CollectReport) -> None:
            if report.failed and not self.failed:
                self.failed = report.nodeid

    first = First()
    ignored = [f"--ignore=tests/parity/{name}" for name in ("test_mutations.py", "test_cases.py")]
    pytest.main(["-x", "-q", "-p", "no:cacheprovider", *ignored, *chosen], plugins=[first])
    return {"failed": first.failed}


@contextlib.contextmanager
def _copy(defect: Defect | None, names: tuple[str, ...]) -> Iterator[Path]:
    """A folder with the named parts of the repository, the defect planted."""
    with tempfile.TemporaryDirectory(prefix="zoo-mutation-") as folder:
        tree = Path(folder)
        for name in names:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, tree / name)
        if defect is not None:
            defect.plant(tree / "src")
        yield tree


def _forked(tree: Path, work: Callable[[], Json]) -> Json:
    """What ``work`` gives in a fork that imports the zoo from the copy; ``raised`` if it raises or dies."""
    answer = tree / "answer.json"
    child = os.fork()
    if child == 0:
        _work(tree, answer, work)
    _, status = os.waitpid(child, 0)
    if not answer.is_file():
        return {"raised": f"died: wait status {status}"}
    return json.loads(answer.read_text(encoding="utf-8"))


def _work(tree: Path, answer: Path, work: Callable[[], Json]) -> None:
    """In the fork: never returns."""
    try:
        os.chdir(tree)
        sys.path.insert(0, str(tree / "src"))
        os.environ["PYTHONPATH"] = str(tree / "src")
        with _quiet():
            try:
                found = work()
                import zoo_spec

                if not str(zoo_spec.__file__).startswith(str(tree)):
                    found = {"raised": f"not the copy but {zoo_spec.__file__}"}
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                found = {
                    "raised": f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
                }
        answer.write_text(json.dumps(found), encoding="utf-8")
    finally:
        os._exit(0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what libraries print, from C++ too, to nowhere."""
    saved = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in enumerate(saved, 1):
            os.dup2(kept, number)
            os.close(kept)
        os.close(nowhere)
