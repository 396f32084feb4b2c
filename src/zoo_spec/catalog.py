"""Everything that ships: importing this module registers every block, model and task, and nothing else."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import zoo_spec.blocks
import zoo_spec.models
import zoo_spec.tasks

for _package in (zoo_spec.blocks, zoo_spec.models, zoo_spec.tasks):
    for _module in iter_modules(_package.__path__, _package.__name__ + "."):
        import_module(_module.name)
