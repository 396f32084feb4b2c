"""A kind is found in the module that has it, and no other is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo_spec.blocks.base import Block
from zoo_spec.data import Data
from zoo_spec.initializers import Initializer
from zoo_spec.models.base import Model
from zoo_spec.registry import class_of, classes, own_kind
from zoo_spec.tasks.base import Task
from zoo_spec.training.optimizers import Optimizer
from zoo_spec.training.schedules import Schedule


@pytest.mark.parametrize("role", [Block, Model, Task, Data, Optimizer, Schedule, Initializer])
def test_every_kind_that_ships_is_where_its_role_says(role):
    shipped = {kind: cls for kind, cls in classes(role).items() if cls.__module__.startswith("zoo_spec.")}
    assert shipped
    for kind, cls in shipped.items():
        assert f"{cls.__module__}.".startswith(f"{role.shipped_in}.")
        assert class_of(role, kind) is cls
        assert own_kind(cls) == kind


def test_a_spec_is_read_without_the_families_that_it_does_not_name():
    code = (
        "import sys; from zoo_spec import load_spec; load_spec('bert_base').graph();"
        "print(*(name for name in sys.modules if name.startswith('zoo_spec.models.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "zoo_spec.models.bert" in done.stdout.split()
    assert not {"zoo_spec.models.hubert", "zoo_spec.models.unet"} & set(done.stdout.split())
