"""The parity suite is tested by defects planted in the source: a drawn part; ``make mutations`` plants them all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from defects import DEFECTS
from defects.unproven import UNPROVEN
from planting import ROOT

DRAWN = 2


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


def test_a_drawn_part_is_caught_by_parity_alone():
    seed = os.environ["ZOO_RANDOM_SEED"]
    command = [sys.executable, "tests/parity/mutations.py", "--draw", str(DRAWN), "--seed", seed]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{DRAWN} planted, {DRAWN} caught by parity alone" in done.stdout


def test_what_is_unproven_are_defects_of_one_side():
    assert {str(defect) for defect in DEFECTS if defect.side != "both"} >= UNPROVEN
