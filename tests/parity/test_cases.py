"""Family by task by rows by dtype: outputs, losses and gradients of both frameworks, from the registry.

``make test`` runs as many as have, with what ``test_suite.py`` runs, every pair of values, but of family by task
drawn ones; ``make parity`` all of them.
"""

from __future__ import annotations

import json
from itertools import groupby

from cases import (
    all_cases,
    combined,
    drawn_combinations,
    in_suite,
    pairs_of,
    pairwise_cases,
    smallest_specs,
    spec_of,
)
from zoo_common.parity.suite import DTYPES, run_parity


def pytest_generate_tests(metafunc):
    """A test a case; of all cases one of all that a family and a task have, which share their models."""
    if "of_one" not in metafunc.fixturenames:
        return
    if metafunc.config.getoption("--all-cases"):
        groups = [list(found) for _, found in groupby(sorted(all_cases()), key=lambda case: case[:2])]
        metafunc.parametrize("of_one", groups, ids=["-".join(group[0][:2]) for group in groups])
    else:
        metafunc.parametrize(
            "of_one", [[case] for case in pairwise_cases()], ids=lambda group: "-".join(group[0])
        )


def test_a_case_agrees(of_one, record_property):
    record_property("cases", len(of_one))
    rows, dtypes = (dict.fromkeys(getattr(case, name) for case in of_one) for name in ("rows", "dtype"))
    assert len(rows) * len(dtypes) == len(of_one)
    dtypes = [dtype for dtype in DTYPES if dtype in dtypes]
    spec = spec_of(of_one[0].family, of_one[0].task)
    report = run_parity(spec, level="gradient", rows=list(rows), dtypes=dtypes)
    assert report.passed, json.dumps(report.as_json(), indent=1)
    last = "gradient" if spec.graph().loss_parts else "forward"
    assert [row.dtype for row in report.levels if row.level == last] == [
        "float64",
        *(dtype for dtype in dtypes if dtype != "float64"),
        *(["bfloat16"] if last == "forward" and "bfloat16" in dtypes else []),  # What rounds once, by itself.
    ]


def test_every_pair_of_values_that_goes_together_is_tried_in_make_test_but_for_families_by_task():
    def pairs(cases):
        found = set().union(*map(pairs_of, cases))
        return {pair for pair in found if {name for name, _ in pair} != {"family", "task"}}

    tried = {*pairwise_cases(), *in_suite()}
    assert pairs(tried) == pairs(all_cases())
    assert {case[:2] for case in tried} >= drawn_combinations()
    assert {family for family, _ in drawn_combinations()} == {case.family for case in all_cases()}
    assert {task for _, task in drawn_combinations()} == {case.task for case in all_cases()}
    assert tried <= set(all_cases())


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
