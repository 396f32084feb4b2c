"""A kind is found in the module that has it, and no other is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo_spec.blocks.base import Block
from zoo_spec.models.base import Model
from zoo_spec.registry import class_of, classes
from zoo_spec.shipped_kinds import _modules_by_kind
from zoo_spec.tasks.base import Task


@pytest.mark.parametrize("role", [Block, Model, Task])
def test_every_kind_that_ships_is_listed_with_its_module(role):
    shipped = {kind: cls for kind, cls in classes(role).items() if cls.__module__.startswith("zoo_spec.")}
    assert shipped
    for kind, cls in shipped.items():
        assert cls.__module__ in _modules_by_kind()[kind]
        assert class_of(role, kind) is cls


def test_a_spec_is_read_without_the_families_that_it_does_not_name():
    code = (
        "import sys; from zoo_spec import load_spec; load_spec('bert_base').graph();"
        "print(*(name for name in sys.modules if name.startswith('zoo_spec.models.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "zoo_spec.models.bert" in done.stdout.split()
    assert not {"zoo_spec.models.hubert", "zoo_spec.models.unet"} & set(done.stdout.split())
