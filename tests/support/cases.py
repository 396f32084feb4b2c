"""Every case of the parity suite: family, task, rows and dtype; and a set with every pair of these.

But of family by task with drawn ones: 104 fit, and each pair is a case of its own. A pair that ``test_suite.py`` has,
where it takes a spec through all rows, needs no case.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import combinations, product
from typing import NamedTuple

from distinct import covering, trained
from drawn import SEED, cover
from zoo_common.parity.probes import probe_rows
from zoo_common.parity.suite import DTYPES
from zoo_spec import list_specs, load_spec
from zoo_spec.errors import SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.models.base import Model
from zoo_spec.registry import kinds
from zoo_spec.shrink import shrunk
from zoo_spec.tasks.base import Task


class Case(NamedTuple):
    """What one run of the suite holds against each other in both frameworks."""

    family: str
    task: str
    rows: str
    dtype: str


@cache
def smallest_specs() -> dict[str, str]:
    """Of each family that ships its tiny spec, or the smallest; composed graphs state their own outputs."""
    sizes: dict[str, dict[str, int]] = {kind: {} for kind in kinds(Model) if kind != "graph"}
    for name in list_specs():
        spec = load_spec(name)
        if spec.model.kind in sizes:
            sizes[spec.model.kind][name] = spec.graph().parameter_count
    tiny = {family: f"{family}_tiny" for family in sizes}
    return {
        family: tiny[family] if tiny[family] in found else min(found, key=found.__getitem__)
        for family, found in sizes.items()
    }


@cache
def spec_of(family: str, task: str) -> ExperimentSpec:
    """The family's smallest spec with a task, its other fields as they are by default.

    Raises SpecError where the task does not fit.
    """
    return shrunk(load_spec(smallest_specs()[family], [f"task={{kind: {task}}}"]))


@cache
def combined() -> tuple[dict[tuple[str, str], tuple[str, ...]], dict[tuple[str, str], str]]:
    """By family and task: the rows that it takes where they fit, and the refusal where they do not."""
    rows, refusals = {}, {}
    for pair in product(smallest_specs(), kinds(Task)):
        try:
            rows[pair] = probe_rows(spec_of(*pair).graph())
        except SpecError as error:
            refusals[pair] = str(error)
    return rows, refusals


@cache
def all_cases() -> tuple[Case, ...]:
    """All that exist."""
    rows, _ = combined()
    return tuple(
        Case(*pair, each, dtype) for pair, found in rows.items() for each in found for dtype in DTYPES
    )


@cache
def in_suite() -> frozenset[Case]:
    """Those that ``test_suite.py`` runs anyway: all rows of each spec that it trains."""
    found = set()
    for spec in map(trained, covering()):
        dtypes = DTYPES if spec.training.precision == "bfloat16" else ("float64", "float32")
        rows = probe_rows(spec.graph())
        found |= {Case(spec.model.kind, spec.task.kind, *each) for each in product(rows, dtypes)}
    return frozenset(found & set(all_cases()))


@cache
def drawn_combinations() -> frozenset[tuple[str, str]]:
    """The families by task of this run: as few as have each, and each task by rows, and more."""
    rows, _ = combined()
    found = {pair: {*pair, *((pair[1], each) for each in rows[pair])} for pair in sorted(rows)}
    chosen = random.Random(SEED).sample(sorted(rows), len(rows) // 10)
    return frozenset(chosen) | set(cover("cases", found))


@cache
def pairwise_cases() -> tuple[Case, ...]:
    """Enough of them for every pair of values that goes together: each time the one with most pairs left.

    Of family by task only the drawn ones; beside what is ``in_suite``.
    """
    cases = [case for case in all_cases() if case[:2] in drawn_combinations()]
    left = {pair for case in cases for pair in pairs_of(case)}
    left -= {pair for case in in_suite() for pair in pairs_of(case)}
    chosen = []
    while left:
        best = max(cases, key=lambda case: len(left & pairs_of(case)))
        left -= pairs_of(best)
        chosen.append(best)
    return tuple(sorted(chosen))


@cache
def pairs_of(case: Case) -> frozenset[tuple[tuple[str, str], ...]]:
    """Any two of its values, each with its field."""
    return frozenset(combinations(zip(Case._fields, case, strict=True), 2))
