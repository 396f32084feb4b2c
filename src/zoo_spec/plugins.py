"""Plugins: packages that bring kinds of their own (docs/plugins.md).

What a plugin says without a framework is an entry point of the group ``zoo.plugins``; its half for a framework is
one of ``zoo.plugins.torch``, or of whatever the backend is called, and is imported where that framework is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions

from zoo_spec.errors import EnvironmentFault
from zoo_spec.importing import load_entry

SPECS = "zoo.plugins"


def plugins(group: str = SPECS) -> Iterator[EntryPoint]:
    """The entry points of a group, each to be imported, in the order of their names."""
    yield from sorted(entry_points(group=group), key=lambda entry: entry.name)


@cache
def load_halves(framework: str) -> tuple[str, ...]:
    """Import every plugin's half for a framework, once; gives a line for each that cannot be imported.

    The framework's own package calls it when all of its blocks are registered.
    """
    broken = []
    for entry in plugins(f"{SPECS}.{framework}"):
        try:
            load_entry(entry, f"the {framework} half of the plugin")
        except EnvironmentFault as error:
            broken.append(str(error))
    return tuple(broken)


def no_half(framework: str, kind: str) -> EnvironmentFault:
    """What to raise for a kind of block that nobody has registered a half of for this framework."""
    broken = load_halves(framework)
    group = f"{SPECS}.{framework}"
    why = (
        f", but {'; '.join(broken)}"
        if broken
        else f"; a plugin registers one by the entry-point group {group}"
    )
    return EnvironmentFault(f"block {kind!r} has no {framework} half{why}")


def tell_broken_halves(framework: str) -> None:
    """Warn of the halves that cannot be imported, once each, where they turned out not to be needed."""
    for line in load_halves(framework):
        warn(line)


@cache
def warn(line: str) -> None:
    """Warn, once."""
    logging.getLogger("zoo").warning(line)


def package_of(module: str) -> str:
    """What is installed, and can be uninstalled, that has this module; its first name where that is not known."""
    top = module.partition(".")[0]
    return next(iter(packages_distributions().get(top, ())), top)
