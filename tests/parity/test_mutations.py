"""The parity suite is tested itself, by defects planted in the source; ``make mutations`` plants them all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from defects import DEFECTS
from planting import ROOT


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_defect_is_a_patch_of_what_is_there(defect):
    """Whoever changes the text that a defect replaces, brings the defect up to date."""
    assert defect.occurrences(ROOT / "src") == 1
    assert defect.change[0] != defect.change[1]


def test_no_two_defects_are_called_the_same():
    assert len({str(defect) for defect in DEFECTS}) == len(DEFECTS)


def test_both_halves_and_what_they_share_have_defects():
    sides = [defect.side for defect in DEFECTS]
    assert min(sides.count("torch"), sides.count("tf")) >= 80
    assert sides.count("both") >= 10


def test_the_suite_does_not_know_the_defects():
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/zoo_common/parity").glob("*.py"))
    assert not [defect for defect in DEFECTS if defect.name in code]
