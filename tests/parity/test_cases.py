"""Family by task by rows by dtype: outputs, losses and gradients of both frameworks, from the registry.

``make test`` runs a set in which every pair of these values occurs, but of family by task drawn ones; ``make parity``
all of them.
"""

from __future__ import annotations

import json
from itertools import combinations

from cases import all_cases, combined, drawn_combinations, pairwise_cases, smallest_specs, spec_of
from zoo_common.parity.suite import run_parity


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        chosen = all_cases() if metafunc.config.getoption("--all-cases") else pairwise_cases()
        metafunc.parametrize("case", chosen, ids="-".join)


def test_a_case_agrees(case):
    spec = spec_of(case.family, case.task)
    report = run_parity(spec, level="gradient", rows=[case.rows], dtypes=[case.dtype])
    assert report.passed, json.dumps(report.as_json(), indent=1)
    last = "gradient" if spec.graph().loss_parts else "forward"
    assert (report.levels[-1].level, report.levels[-1].dtype) == (last, case.dtype)


def test_every_pair_of_values_that_goes_together_is_among_the_cases_of_make_test_but_for_families_by_task():
    def pairs(cases):
        which = [pair for pair in combinations(range(4), 2) if pair != (0, 1)]
        return {(a, case[a], b, case[b]) for case in cases for a, b in which}

    wanted, found = pairs(all_cases()), pairs(pairwise_cases())
    assert {case[:2] for case in pairwise_cases()} == drawn_combinations()
    assert {family for family, _ in drawn_combinations()} == {case.family for case in all_cases()}
    assert {task for _, task in drawn_combinations()} == {case.task for case in all_cases()}
    assert found == wanted
    assert set(pairwise_cases()) <= set(all_cases())


def test_a_task_that_does_not_fit_is_refused_by_name_and_each_fits_somewhere():
    rows, refusals = combined()
    for (family, task), message in refusals.items():
        assert f"task.kind: {task} " in message, (family, task, message)
    assert {family for family, _ in rows} == set(smallest_specs())
    assert {task for _, task in rows} == {task for _, task in refusals} | {"representation"}


def test_packed_rows_are_left_out_only_where_a_block_cannot_keep_examples_apart():
    """What refuses them is held in ``test_linformer.py`` and ``test_waveforms.py``."""
    rows, _ = combined()
    mixing = {family for (family, _), found in rows.items() if "padded" in found and "packed" not in found}
    assert mixing == {"linformer", "hubert"}
