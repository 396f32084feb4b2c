"""Plugins: packages that bring kinds of their own (docs/plugins.md).

What a plugin says without a framework is an entry point of the group ``zoo.plugins``; its half for a framework is
one of ``zoo.plugins.torch``, or of whatever the backend is called, and is imported where that framework is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from typing import Protocol

from zoo_spec.errors import EnvironmentFault
from zoo_spec.importing import load_entry
from zoo_spec.reading import printable

SPECS = "zoo.plugins"


def plugins(group: str = SPECS) -> Iterator[EntryPoint]:
    """The entry points of a group, each to be imported, in the order of their names."""
    yield from sorted(entry_points(group=group), key=lambda entry: entry.name)


class Halves(Protocol):
    """A ``functools.singledispatch`` function, with which each block's half is registered on its spec's class."""

    @property
    def registry(self) -> Mapping[type, Callable[..., object]]:
        """What is registered, by class."""

    def register(self, cls: type, func: Callable[..., object]) -> object:
        """Register ``func`` for a class."""


_broken: dict[str, list[str]] = {}
"""By framework, what is wrong with plugins' halves, a line each."""


def load_halves(framework: str, build: Halves) -> None:
    """Import every plugin's half for a framework, with which all of the framework's own blocks are registered.

    The framework's package calls it once. What cannot be imported, or takes the place of another's half, is told
    where it matters: by ``no_half`` or ``tell_broken_halves``.
    """
    broken = _broken.setdefault(framework, [])
    for entry in plugins(f"{SPECS}.{framework}"):
        what, before = f"the {framework} half of the plugin", dict(build.registry)
        try:
            load_entry(entry, what)
        except EnvironmentFault as error:
            broken.append(str(error))
        for cls, half in before.items():
            if build.registry[cls] is not half:
                build.register(cls, half)
                place = f"{half.__module__} (package {package_of(half.__module__)})"
                broken.append(
                    f"{what} {printable(entry.name)} ({printable(entry.value)}) registers a half of {cls.__module__}."
                    f"{cls.__qualname__}, which has one in {place}, and that one stays; mend or uninstall the plugin"
                )


def no_half(framework: str, kind: str) -> EnvironmentFault:
    """What to raise for a kind of block that nobody has registered a half of for this framework."""
    broken = _broken.get(framework)
    group = f"{SPECS}.{framework}"
    why = (
        f", but {'; '.join(broken)}"
        if broken
        else f"; a plugin registers one by the entry-point group {group}"
    )
    return EnvironmentFault(f"block {kind!r} has no {framework} half{why}")


def tell_broken_halves(framework: str) -> None:
    """Warn of what is wrong with plugins' halves, once each, where they turned out not to be needed."""
    for line in _broken.get(framework, ()):
        warn(line)


@cache
def warn(line: str) -> None:
    """Warn, once."""
    logging.getLogger("zoo").warning(line)


def package_of(module: str) -> str:
    """What is installed, and can be uninstalled, that has this module; its first name where that is not known."""
    top = module.partition(".")[0]
    return next(iter(packages_distributions().get(top, ())), top)
