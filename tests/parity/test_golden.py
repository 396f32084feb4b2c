"""Every shipped spec still means what its golden file says; ``make golden`` rewrites them, on purpose."""

from __future__ import annotations

import json

import pytest

from distinct import covering, representatives, structures
from drawn import some
from golden import FOLDER, defaults, first_losses, golden, read
from zoo_spec import list_specs, load_spec


@pytest.mark.parametrize("name", list_specs())
def test_a_shipped_spec_means_what_its_golden_file_says(name):
    kept = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = json.loads(json.dumps(golden(name)))
    losses, kept_losses = found.pop("first_losses"), kept.pop("first_losses")
    assert found == kept
    assert read(kept["states"]) == load_spec(name)
    assert losses == pytest.approx(kept_losses, rel=1e-10)


WIRINGS = sorted(set(structures()) - set(covering()))
"""Whose parts are all in wirings that parity trains in both frameworks."""
NUMBERS = sorted(set(representatives().values()) - set(structures()))
"""What differs by numbers alone from another's wiring."""


@pytest.mark.parametrize("other", [*some("wirings", WIRINGS, 2), *some("numbers", NUMBERS)])
def test_the_first_losses_are_those_of_the_other_framework_too(other):
    """Where parity of every level, in ``test_suite.py``, does not train both frameworks on the same."""
    kept = json.loads((FOLDER / f"{other}.json").read_text(encoding="utf-8"))["first_losses"]
    assert first_losses(other, "tf") == pytest.approx(kept, rel=1e-10)


def test_there_is_no_golden_file_without_a_spec():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(list_specs())


def test_every_kind_s_defaults_are_what_their_golden_file_says():
    files = (FOLDER / "defaults").glob("*.json")
    kept = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    assert json.loads(json.dumps(defaults())) == kept
