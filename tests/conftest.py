"""Settings for every test: one thread a process, since pytest runs one process a core, and quiet frameworks.

They are read when a framework is imported, so they are set before any test module is.
"""

from __future__ import annotations

import gc
import os
import secrets
import sys
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path

import psutil
import pytest
import typer.testing

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("ZOO_CHOICES", "default")

# Tracing makes many objects and few circles: looking for these at the usual rate took a twelfth of the time.
gc.set_threshold(100_000, 20, 20)

# Chosen before pytest's workers start, which inherit it; give it again to repeat a run.
os.environ.setdefault("ZOO_RANDOM_SEED", str(secrets.randbelow(2**31)))


# A test's command line takes apart every command's signature anew, which takes longer than many commands.
typer.testing._get_command = cache(typer.testing._get_command)

HERE = Path(__file__).parent
LONGEST = (
    "parity/test_suite.py",
    "torch/test_native.py",
    "tf/test_native.py",
    "parity/test_cases.py",
    "parity/test_compositions.py",
    "parity/test_precision.py",
    "parity/test_golden.py",
    "tf/test_container.py",
    "tf/test_keras_tools.py",
    "cli/test_broken_imports.py",
)
"""The files that take longest, which come first: a worker that began one of them last would leave the other idle."""


def pytest_collection_modifyitems(items):
    assert all((HERE / name).is_file() for name in LONGEST)
    rank = {HERE / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish():
    from trained_once import trained_once
    from zoo_common.data.subwords import tokenizer_files
    from zoo_spec import frameworks

    # Most data of shipped specs is text, and its tokenizer takes longer to train than all else that is made of it.
    tokenizer_files._train = trained_once(tokenizer_files._train)
    # What is installed is read out of two hundred files, which takes a twentieth of a short command.
    found = cache(lambda group, path: entry_points(group=group))
    frameworks.entry_points = lambda *, group: found(group, tuple(sys.path))
    _set_apart_what_stays()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """After a file's last test let go of its models, which are circles, and which no other file uses."""
    yield
    if nextitem is None or nextitem.path != item.path:
        _forget_what_is_kept(item.module)
        _set_apart_what_stays()


Kept = type(cache(len))
"""A function that keeps what it gave."""


def _forget_what_is_kept(module):
    """By the functions of a file that keep what they gave for its other tests, models of each family say."""
    for value in vars(module).values():
        if isinstance(value, Kept) and value.__module__ == module.__name__:
            value.cache_clear()


def _set_apart_what_stays():
    """Have no later search for circles go through what is there now: of the libraries alone it is a million objects.

    Over a run they became four million, and each search, such as pytest ends with where a test runs it, took 3 s.
    """
    _let_go()
    gc.freeze()


MORE = 500_000_000
"""Bytes that a process may come to hold before it lets go of what it can."""
_held = [0]


def _resident_bytes():
    return psutil.Process().memory_info().rss


def _let_go():
    """Of models, which are circles, and of TensorFlow's kernels of every function that it ran."""
    keras = sys.modules.get("keras")
    if keras is not None and "tensorflow" in sys.modules:
        keras.utils.clear_session(free_memory=False)
    gc.collect()
    _held[0] = _resident_bytes()


def pytest_report_header():
    return f"drawn by ZOO_RANDOM_SEED={os.environ['ZOO_RANDOM_SEED']}"


def pytest_addoption(parser):
    parser.addoption(
        "--all-cases",
        action="store_true",
        help="every case of what else a part is drawn of, as of the parity suite",
    )


def pytest_configure(config):
    if config.getoption("--all-cases"):
        os.environ["ZOO_ALL_CASES"] = "1"
    else:
        # XLA takes the same graphs; what becomes of them in it and in LLVM is not ours.
        flags = ["--xla_backend_optimization_level=0"]
        if version("tensorflow").startswith("2.21."):  # A flag that XLA does not know ends the process.
            flags.append("--xla_cpu_use_fusion_emitters=false")
        os.environ.setdefault("XLA_FLAGS", " ".join(flags))


def pytest_terminal_summary(terminalreporter, config):
    """How many of the parity suite's cases ran, and whether each pair of values was among them."""
    passed, failed = (
        sum(_cases(report) for report in terminalreporter.getreports(how)) for how in ("passed", "failed")
    )
    if passed or failed:
        from cases import all_cases, in_suite

        terminalreporter.write_line(
            f"parity: {passed + failed} cases run of {len(all_cases())} that exist, {failed} failed; "
            f"{len(in_suite())} are of specs that test_suite.py trains"
        )


def _cases(report):
    """How many a test was of."""
    is_of_cases = report.when == "call" and "test_cases.py::test_a_case_agrees" in report.nodeid
    return dict(report.user_properties)["cases"] if is_of_cases else 0


@pytest.fixture(autouse=True, scope="module")
def _a_modules_fixtures_as_traced(request):
    """As its tests: what both compute is compared bit for bit."""
    _run_as_traced(request.config)


@pytest.fixture(autouse=True)
def _as_traced(request):
    """The same where a test before has imported it."""
    _run_as_traced(request.config)


def _run_as_traced(config):
    """Have TensorFlow run graphs as they were traced, without rewriting each, which takes a third of a parity run.

    What its rewriter (grappler) makes of a graph is not ours. Commands that tests run in processes of their own have
    it, as users do, and all tests with ``--all-cases``.
    """
    tensorflow = sys.modules.get("tensorflow")
    if hasattr(tensorflow, "config") and not config.getoption("--all-cases"):
        tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def _let_go_of_what_grows():
    """Not after every test: TensorFlow makes all kernels of a model anew then, which takes as long as running it."""
    yield
    if _resident_bytes() > _held[0] + MORE:
        _let_go()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """A case of parity that is skipped fails: what was not run was not proven."""
    report = yield
    if report.skipped and item.path.parent.name == "parity":
        report.outcome = "failed"
        report.longrepr = f"skipped, which proves nothing: {report.longrepr}"
    return report
