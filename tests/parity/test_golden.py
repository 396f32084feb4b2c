"""Every shipped spec still means what its golden file says; ``make golden`` rewrites them, on purpose."""

from __future__ import annotations

import json

import pytest

from distinct import representatives
from golden import FOLDER, first_losses, golden
from zoo_spec import list_specs


@pytest.mark.parametrize("name", list_specs())
def test_a_shipped_spec_means_what_its_golden_file_says(name):
    kept = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = json.loads(json.dumps(golden(name)))
    losses, kept_losses = found.pop("first_losses"), kept.pop("first_losses")
    assert found == kept
    assert losses == pytest.approx(kept_losses, rel=1e-10)


@pytest.mark.parametrize("name", sorted(set(representatives().values())))
def test_the_first_losses_are_those_of_the_other_framework_too(name):
    kept = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["first_losses"]
    assert first_losses(name, "tf") == pytest.approx(kept, rel=1e-10)


def test_there_is_no_golden_file_without_a_spec():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(list_specs())
