"""Which libraries are needed beyond the framework: what the package declares, and what a reader of data names."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

from zoo_common.report.description import Library

DISTRIBUTION = "dualzoo"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def needed_libraries() -> tuple[Library, ...]:
    """What is installed with Zoo; nothing is known of it in a source folder that is not installed."""
    try:
        declared = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return ()
    plain = [each for each in declared if "extra ==" not in each]
    return libraries(tuple(found[0] for each in plain if (found := _NAME.match(each))))


def libraries(names: tuple[str, ...]) -> tuple[Library, ...]:
    """These, with the versions that are installed."""
    return tuple(Library(name, _version(name)) for name in names)


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
