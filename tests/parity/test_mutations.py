"""The parity suite is tested itself: every planted defect must make it fail, and nothing else may."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutations import MUTATIONS, caught_by, run


def test_without_a_mutation_the_suite_passes():
    assert run(None).passed


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.name} ({one.framework})")
def test_a_planted_defect_is_caught(mutation):
    assert caught_by(run(mutation)) != "not caught"


def test_a_failing_level_names_the_first_block_whose_outputs_part():
    by_name = {(one.name, one.framework): one for one in MUTATIONS}
    for framework in ("torch", "tf"):
        found = run(by_name["a dropped bias", framework]).levels[-1].detail
        assert "encoder.layers.1.feed_forward.inner (full)" in found
        assert framework in found


def test_a_framework_that_strays_in_float32_is_named():
    by_name = {(one.name, one.framework): one for one in MUTATIONS}
    for framework in ("torch", "tf"):
        found = run(by_name["bfloat16 under the name of float32", framework]).levels[-1].detail
        assert found.startswith(f"{framework} strayed")
