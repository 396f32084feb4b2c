"""Finds the kinds that ship in the packages of their roles, so that a spec is read without what it does not name.

All families and blocks together take longer to import than everything else that ``zoo validate`` does.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def import_named(package: str, kind: str) -> None:
    """Import the module that is called by the kind, as those of families and most others are, if there is one."""
    if kind in _modules(import_module(package)):
        import_module(f"{package}.{kind}")


def import_all(package: str) -> None:
    """Import a module and all those in it, which registers what they define, and nothing else."""
    found = import_module(package)
    for name in _modules(found):
        import_module(f"{package}.{name}")


def _modules(package: ModuleType) -> list[str]:
    return sorted(module.name for module in iter_modules(getattr(package, "__path__", ())))
