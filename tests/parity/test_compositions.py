"""Architectures that nobody thought of, drawn by hypothesis from all registered blocks, agree in both frameworks."""

from __future__ import annotations

import json
import random
import traceback
from itertools import product

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from compositions import ARCHITECTURES, as_yaml, compositions, three
from drawn import SEED, all_cases
from zoo_common.parity.probes import probe_inputs
from zoo_common.parity.results import LevelResult, ParityReport
from zoo_common.parity.suite import run_parity
from zoo_spec import load_spec
from zoo_spec.blocks.base import Block
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.registry import classes

ROUNDS, EACH = (2, 3) if all_cases() else (1, 2)
"""Rounds of architectures of a name, and how many in each: the simplest there is, and others."""
FURTHER = ARCHITECTURES if all_cases() else random.Random(SEED).sample(sorted(ARCHITECTURES), 2)
"""Whose first round meets all probes, and not only rows that are full, padded and packed, for time."""
SHRINKING = 20
"""Most architectures that are tried to find a smaller one that fails too."""

_judged: dict[str, tuple[str, str]] = {}
"""What was found of an architecture, by its spec file; the first round comes first, with its probes."""


DEAD = "moves nothing: its gradient is zero for every probe"
NO_PROOF = "agreement on it would prove nothing"
GROSS = 1e-3
"""Of a result's size: less in float32, where float64 agrees, is rounding. Whoever draws architectures draws sums of
which all but a thousandth cancels, and then how lucky a framework's order of adding is says nothing."""


def _parity(spec: ExperimentSpec, *, further: bool) -> ParityReport:
    """Up to the gradient in float64 and float32, or in float64 alone where float32 parts by rounding.

    Without the ``further`` probes, on rows that are full, padded and packed.
    """
    rows = None if further else tuple(probe_inputs(spec.graph(), seed=1))
    report = run_parity(spec, level="gradient", rows=rows)
    last = report.levels[-1]
    if not report.passed and last.dtype == "float32" and last.value <= GROSS:
        return run_parity(spec, level="gradient", rows=rows, dtypes=["float64"])
    return report


def _is_dead(last: LevelResult) -> bool:
    """Whether the frameworks agree that a parameter moves nothing, or that the loss is next to nothing: no draw sees
    to it that a relu lets something by, and that no label is certain.

    Who chooses an architecture is told of it (a spec that ships must not have one).
    """
    said = last.detail.endswith(DEAD) or (last.level == "loss" and last.detail.endswith(NO_PROOF))
    return last.value <= last.limit and said


def _judge(text: str, folder, *, further: bool) -> tuple[str, str]:
    """Where the frameworks part on a spec file, and how; both empty if they agree."""
    if text not in _judged:
        file = folder / "composition.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            spec = load_spec(file)
            report = _parity(spec, further=further)
            last = report.levels[-1]
        except Exception as error:  # Whatever a framework raises, the file that made it do so is to be seen.
            _judged[text] = type(error).__name__, traceback.format_exc()
        else:
            where = "" if report.passed or _is_dead(last) else f"{last.level} in {last.dtype}"
            _judged[text] = where, json.dumps(report.as_json(), indent=1)
    return _judged[text]


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_composition_drawn_at_random_agrees_forward_and_in_its_gradients(name, round_, tmp_path):
    met: list[str] = []
    tried: set[str] = set()

    # The first is the simplest there is, whatever the seed.
    @seed(SEED + round_)
    @settings(
        max_examples=EACH,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(compositions(name))
    def agrees(spec):
        text = as_yaml(spec)
        if met and text not in _judged:
            tried.add(text)
            if len(tried) > SHRINKING:
                return
        where, how = _judge(text, tmp_path, further=name in FURTHER and round_ == 0)
        if where and where == (met or [where])[0]:  # A smaller architecture must fail in the same way.
            met.append(where)
            pytest.fail(f"ZOO_RANDOM_SEED={SEED}, {where}; the spec file:\n\n{text}\n{how}", pytrace=False)

    agrees()


def test_every_registered_block_is_drawn():
    missing = set(classes(Block))
    for number, name in product(range(20), ARCHITECTURES):
        graphs = [ExperimentSpec.model_validate(drawn).graph() for drawn in three(number, name)]
        missing -= {place.block.kind for graph in graphs for place in graph.places()}
        if not missing:
            break
    assert missing == set()
