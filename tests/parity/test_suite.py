"""The parity suite over everything that ships, its cases from the registry, and an architecture of drawn blocks."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import pytest

from compositions import as_yaml, composition
from distinct import covering, effort, in_training, parts, several, small, structures, trained, turned
from drawn import SEED, all_cases, cover, some
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import gap, largest, output_gap
from zoo_common.parity.probes import probe_rows
from zoo_common.parity.results import LEVELS, Level, ParityReport
from zoo_common.parity.suite import run_parity
from zoo_spec import list_specs, load_spec
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk


def _explain(report: ParityReport) -> str:
    return json.dumps(report.as_json(), indent=1)


OTHERS = [name for name in structures() if name not in covering()]
"""Whose every part is in one of ``covering`` too."""
DRAWN = random.Random(SEED).sample(OTHERS, 3)
"""Of ``OTHERS`` those of this run; the first goes through every level, as all of them do with ``--all-cases``."""


def _ways(name: str) -> set[Hashable]:
    """What a curve and a checkpoint depend on, beyond what each block does in the steps of the level before them."""
    spec = trained(name)
    if not spec.graph().loss_parts:
        return set()
    training = spec.training
    statistics = not all(parameter.trainable for parameter in spec.graph().parameters().values())
    ways = {
        "domain": type(spec.model).domain,
        "optimizer": training.optimizer.kind,
        "precision": training.precision,
        "recompute": training.recompute,
        "micro-batches": training.micro_batch_size is not None,
        "statistics": statistics,
    }
    return set(ways.items())


OVER_TIME = {
    *cover("over time", {name: _ways(name) for name in covering()}, effort),
    random.Random(SEED).choice(covering()),
}
"""Of ``covering`` those that are trained for a curve and from a checkpoint: each way to train, and another, drawn."""

TURNED = set(cover("turned", {name: turned(name) for name in covering()}, effort))
"""Of ``covering`` those that meet all probes: whatever these show that whole, padded and packed rows do not."""


def _agrees(spec: ExperimentSpec, last: Level, *, turned: bool = True) -> None:
    rows = None if turned else probe_rows(spec.graph())
    report = run_parity(spec, level=last, steps=12, rows=rows)
    assert report.passed, _explain(report)
    levels = LEVELS[: LEVELS.index(last) + 1]
    assert {row.level for row in report.levels} == set(levels if spec.graph().loss_parts else LEVELS[:2])


IN_STEPS = {
    *cover(
        "steps",
        {name: in_training(trained(name)) for name in covering() if trained(name).graph().loss_parts},
        effort,
    ),
    *OVER_TIME,
}
"""Of ``covering`` those that are trained for some steps: whatever training does that a gradient has not shown."""


def _last(name: str) -> Level:
    if name in OVER_TIME or all_cases():
        return LEVELS[-1]
    return "step" if name in IN_STEPS else "gradient"


@pytest.mark.parametrize("name", covering())
def test_shipped_specs_that_hold_whatever_ships_agree_in_training_and_drawn_ones_at_every_level(name):
    _agrees(trained(name), _last(name), turned=name in TURNED or all_cases())


@pytest.mark.parametrize("name", OTHERS if all_cases() else DRAWN)
def test_other_shipped_specs_agree_at_one_point_in_time_and_a_drawn_one_at_every_level(name):
    _agrees(small(name), LEVELS[-1] if name == DRAWN[0] or all_cases() else "gradient")


def test_every_kind_of_block_and_task_that_ships_is_trained():
    def kinds(specs):
        return {place.block.kind for spec in specs for place in spec.graph().places()}

    assert kinds(map(trained, covering())) == kinds(map(small, list_specs()))
    tasks = [{load_spec(name).task.kind for name in names} for names in (covering(), list_specs())]
    assert tasks[0] == tasks[1]


def test_whatever_training_does_with_what_ships_is_in_a_spec_that_is_trained_for_some_steps():
    def done(names):
        return set().union(*(in_training(trained(name)) for name in names))

    assert done(IN_STEPS) == done(covering())
    kinds = {each[1] for each in done(IN_STEPS) if each[0] == "optimizer"}
    assert kinds == {load_spec(name).training.optimizer.kind for name in structures()}


def test_whatever_further_probes_show_of_what_ships_is_in_a_spec_that_meets_them():
    found = {name: turned(name) for name in covering()}
    assert set().union(*(found[name] for name in TURNED)) == set().union(*found.values())


@pytest.mark.parametrize("name", some("architecture", ["text", "image"]))
def test_an_architecture_out_of_drawn_blocks_agrees_at_every_level(name):
    drawn = composition(1, name)
    report = run_parity(ExperimentSpec.model_validate(drawn), steps=10)
    assert report.passed, f"{as_yaml(drawn)}\n{_explain(report)}"


def test_what_is_trained_has_whatever_ships_and_several_of_each_kind_of_layer():
    def found(specs, what):
        return set().union(*(what(spec) for spec in specs))

    ships = [small(name) for name in structures()]
    for what in (parts, several):
        assert found(map(trained, covering()), what) == found(ships, what)


def test_packed_padded_and_full_rows_are_all_probed():
    spec = shrunk(load_spec("bert_tiny"))
    assert set(Bench(spec, spec.graph(), ("torch", "tf"), 1).inputs) == {"full", "padded", "packed"}


def test_only_key_biases_have_no_influence_and_their_gradients_vanish():
    spec = shrunk(load_spec("bert_tiny"))
    bench = Bench(spec, spec.graph(), ("torch", "tf"), 1)
    for framework in bench.frameworks:
        backend = bench.backend(framework, "float64")
        for batch in bench.inputs.values():
            gradients = backend.gradients(batch)
            top = max(largest(value) for value in gradients.values())
            zero = {name for name, value in gradients.items() if largest(value) < tolerances.VANISHING * top}
            assert zero == {name for name in gradients if name.endswith(tolerances.WITHOUT_INFLUENCE)}


def test_a_nan_is_a_failure_and_never_equal_to_itself():
    broken = np.array([1.0, np.nan])
    assert gap(broken, broken, 1.0) == float("inf")
    assert output_gap({"x": broken}, {"x": broken}).value == float("inf")


def test_outputs_near_zero_prove_nothing():
    spec = shrunk(load_spec("mnist_fc"))

    def silence(backend):
        weights = {name: 0.0 * value for name, value in backend.export_state().weights.items()}
        keep = backend.set_weights
        backend.set_weights = lambda given: keep(weights)

    report = run_parity(spec, level="forward", prepare=silence)
    assert not report.passed
    assert "would prove nothing" in report.levels[-1].detail


NEARLY_SURE = """
name: nearly_sure
model:
  kind: graph
  inputs:
    x: {{shape: [batch, 5], dtype: float}}
    labels: {{shape: [batch], dtype: int32, label: true}}
  nodes:
    head:
      inputs: {{x: x}}
      block: {{kind: cosine_head, units: {classes}, size: 3, temperature: {temperature}}}
    loss:
      inputs: {{logits: head, labels: labels}}
      block: {{kind: softmax_cross_entropy}}
  outputs: {{logits: head, loss: loss}}
data: {{kind: generated}}
training: {{batch_size: 4, steps: 2, optimizer: {{kind: sgd, learning_rate: 0.01}}}}
"""
"""A head so sharp that now and then a probe's labels are as good as certain: here in one row, or in all of them."""


@pytest.mark.parametrize(
    ("classes", "temperature", "seed", "rows"), [(4, 0.05, 4, None), (2, 0.12, 27, ["full"])]
)
def test_a_loss_that_is_small_by_chance_is_judged_on_what_it_is_for_other_labels(
    classes, temperature, seed, rows, tmp_path
):
    file = tmp_path / "nearly_sure.yaml"
    file.write_text(NEARLY_SURE.format(classes=classes, temperature=temperature), encoding="utf-8")
    report = run_parity(load_spec(file), level="gradient", seed=seed, rows=rows)
    assert report.passed, _explain(report)

    def off(model):
        evaluate, call = model.evaluate_step, model.call
        if model.name == "tf":
            model.evaluate_step = lambda batch: _scaled(evaluate(batch))
            model.call = lambda batch: _scaled(call(batch))

    report = run_parity(load_spec(file), level="gradient", seed=seed, rows=rows, prepare=off)
    assert (report.levels[-1].level, report.passed) == ("loss", False)


def _scaled(outputs):
    return {name: value * (1 + 1e-6 * (name == "loss")) for name, value in outputs.items()}


def test_one_model_serves_all_levels_that_can_share_it():
    made = Counter()
    report = run_parity(
        shrunk(load_spec("mnist_fc")), steps=5, prepare=lambda model: made.update([model.name])
    )
    assert report.passed, _explain(report)
    # One in each dtype up to the gradient, and for each way to update, then states, curve and checkpoint; to go on
    # from the other's checkpoint, the first framework's serves in both directions.
    assert made == {"tf": 2 + 3, "torch": 2 + 4}


def test_curves_that_are_not_finite_are_never_the_same():
    spec = shrunk(load_spec("mnist_fc"))

    def burst(backend):
        keep = backend.train_step

        def train_step(*given):
            return replace(keep(*given), loss=np.float64("inf"))

        backend.train_step = train_step

    report = run_parity(spec, level="curve", steps=3, prepare=burst)
    assert not report.passed
    assert "not finite" in report.levels[-1].detail


def test_a_graph_without_a_loss_has_the_levels_up_to_forward():
    spec = shrunk(load_spec("bert_tiny", ["task.kind=representation"]))
    report = run_parity(spec)
    assert report.passed, _explain(report)
    assert {row.level for row in report.levels} == {"parameters", "forward"}
    assert "no loss" in report.notes[0]


def test_an_unknown_level_is_refused_by_name():
    with pytest.raises(InputError, match="no parity level 'forwards'"):
        run_parity(shrunk(load_spec("mnist_fc")), level="forwards")


def test_one_framework_is_not_parity():
    with pytest.raises(EnvironmentFault, match="two frameworks"):
        run_parity(shrunk(load_spec("mnist_fc")), frameworks=("torch",))
