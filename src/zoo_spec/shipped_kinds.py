"""Which module each kind that ships is in: a spec is then read without importing what it does not name.

All families and blocks together take longer to import than everything else that ``zoo validate`` does.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import PurePath

_PACKAGES = ("zoo_spec.blocks", "zoo_spec.models", "zoo_spec.tasks", "zoo_spec.data")
_KIND = re.compile(r'^    kind: Literal\["(\w+)"\]', re.MULTILINE)


def import_kind(kind: str) -> None:
    """Import the modules that have a class of this kind, if any has."""
    for module in _modules_by_kind().get(kind, ()):
        import_module(module)


def import_all() -> None:
    """Import every module of blocks, models, tasks and data, which registers all of them, and nothing else."""
    for module in _texts():
        import_module(module)


@cache
def _modules_by_kind() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for module, text in _texts().items():
        for kind in _KIND.findall(text):
            found.setdefault(kind, []).append(module)
    return found


@cache
def _texts() -> dict[str, str]:
    """The sources by module's name."""
    return {
        f"{package}.{PurePath(file.name).stem}": file.read_text(encoding="utf-8")
        for package in _PACKAGES
        for file in sorted(files(package).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".py") and file.name != "__init__.py"
    }
