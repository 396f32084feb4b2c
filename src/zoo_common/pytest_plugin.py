"""``pytest --zoo-specs FOLDER``: parity of each spec file as a test. Costs a session without the option nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

OPTION = "--zoo-specs"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, beside pytest's own."""
    group = parser.getgroup("zoo", "parity of Zoo's spec files")
    group.addoption(
        OPTION,
        action="append",
        metavar="FOLDER",
        help="hold both frameworks against each other on every spec file in this folder and below, "
        "or on one file; may be repeated. With no path of tests beside it, nothing else is run.",
    )
    group.addoption(
        "--zoo-level",
        default="checkpoint",
        metavar="LEVEL",
        help="the last level: parameters, forward, loss, gradient, step, curve or checkpoint (the default)",
    )
    group.addoption("--zoo-steps", type=int, default=50, metavar="N", help="length of the training curve: 50")
    group.addoption(
        "--zoo-small",
        action="store_true",
        help="the same architectures at a small size, on generated data",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the spec files into the session; raises UsageError for what is no folder of specs."""
    given = config.getoption(OPTION)
    if not given or config.getoption("help"):
        return
    files = _files(given)
    _check_settings(config)
    config.pluginmanager.register(_Specs(files), "zoo-specs")
    if hasattr(config, "workerinput"):  # A worker of pytest-xdist is given what its controller collects.
        return
    if _named(config, files):
        return  # One of them is asked for by its name: the rest are not meant.
    if _alone(config):
        config.args[:] = []
    config.args += map(str, files)


class _Specs:
    """Makes a test of each spec file; registered only where there are some."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._files = frozenset(files)

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """The collector of a spec file that was asked for."""
        if file_path.resolve() not in self._files:
            return None
        return SpecFile.from_parent(parent, path=file_path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Add those in a folder that pytest does not enter (``norecursedirs``), where a path above is collected."""
        there = {item.path for item in items}
        for path in _named(config, self._files):
            if path not in there:
                items += SpecFile.from_parent(session, path=path).collect()


class SpecFile(pytest.File):
    """A spec file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its one test."""
        yield ParityItem.from_parent(self, name="parity")


class ParityItem(pytest.Item):
    """Parity of a spec, up to the level that was asked for; it fails by what parity says, without a traceback."""

    def runtest(self) -> None:
        """Raises ParityError where the frameworks disagree, and InputError for a file that is no spec."""
        from zoo_common.parity import check

        option = self.config.getoption
        report = check(
            self.path,
            level=option("--zoo-level"),
            steps=option("--zoo-steps"),
            small=option("--zoo-small"),
        )
        levels = [f"{row.level} ({row.dtype}): {row.told}" for row in report.levels]
        self.add_report_section("call", "parity", "\n".join([*levels, *report.notes]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """The message alone of what is raised on purpose; the traceback of a defect."""
        from zoo_spec.errors import ZooError

        if isinstance(excinfo.value, ZooError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is, and what to call it."""
        return self.path, None, f"parity of {self.path.stem}"


def _files(given: list[str]) -> tuple[Path, ...]:
    """Every spec file that the options stand for, once, as ``zoo parity --spec`` has it."""
    from zoo_common.cli.specs import specs_of
    from zoo_spec.errors import ZooError

    for name in given:
        if not os.path.exists(name):
            raise pytest.UsageError(f"{OPTION}: there is no folder or file {name!r} in {Path.cwd()}")
    try:
        return tuple(Path(name).resolve() for name in specs_of(given).names)
    except ZooError as error:
        raise pytest.UsageError(f"{OPTION}: {error}") from None


def _named(config: pytest.Config, files: Collection[Path]) -> list[Path]:
    """The spec files that the session's arguments name."""
    named = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return [path for path in named if path in files]


def _check_settings(config: pytest.Config) -> None:
    from zoo_common.parity.results import LEVELS

    level, steps = config.getoption("--zoo-level"), config.getoption("--zoo-steps")
    if level not in LEVELS:
        raise pytest.UsageError(f"--zoo-level: no parity level {level!r}; there are: {', '.join(LEVELS)}")
    if steps < 2:
        raise pytest.UsageError(f"--zoo-steps: {steps} is no curve; give 2 or more")


def _alone(config: pytest.Config) -> bool:
    """Whether specs are all that was asked for: by the command line itself, with no path beside them.

    Settings in a file (``addopts``) add the specs to what a project runs anyway.
    """
    by_hand = any(str(argument).startswith(OPTION) for argument in config.invocation_params.args)
    return by_hand and config.args_source is not pytest.Config.ArgsSource.ARGS
