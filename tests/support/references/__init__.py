"""What stands in ``transformers`` for each family and task: one module a family, collected in ``FAMILIES``."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from references.base import Family

FAMILIES: dict[str, Family] = {
    name: family
    for module in sorted(found.name for found in iter_modules(__path__))
    for name, family in getattr(import_module(f"references.{module}"), "FAMILIES", {}).items()
}
