"""What ``zoo parity`` tries beyond whole rows of one length; each defect here hides in one branch of a framework."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations, product

import pytest
import tensorflow as tf
import torch

import zoo_tf.blocks.dropout
import zoo_tf.blocks.embeddings
import zoo_torch
import zoo_torch.blocks.attend
import zoo_torch.blocks.losses
import zoo_torch.blocks.position
import zoo_torch.blocks.relative_position
import zoo_torch.inference
from drawn import some
from zoo_common.parity import static
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import output_gap
from zoo_common.parity.coverage import every_pair, further_inputs, given_outputs
from zoo_common.parity.subject import Probes
from zoo_common.parity.suite import run_parity
from zoo_common.paths import Choice, fixed, paths
from zoo_spec import load_spec
from zoo_spec.shrink import shrunk
from zoo_torch.blocks import embedding

FRAMEWORKS = ("tf", "torch")


def test_any_two_values_of_different_factors_stand_together_in_a_row():
    factors = {"a": (1, 2, 3), "b": ("x", "y"), "c": (None, "z"), "d": (0, 1, 2)}
    rows = every_pair(factors)
    for one, other in combinations(factors, 2):
        assert {(row[one], row[other]) for row in rows} == {
            (a, b) for a in factors[one] for b in factors[other]
        }
    assert len(rows) < 3 * 2 * 2 * 3


@pytest.mark.parametrize(
    "name", ["bert_tiny", "transformer_tiny", "hubert_tiny_units", "unet_tiny", "two_towers"]
)
def test_every_optional_input_is_left_out_and_every_dimension_is_one_and_as_large_as_it_may_be(name):
    graph = shrunk(load_spec(name)).graph()
    batches = further_inputs(graph, 1)
    for each, spec in graph.inputs.items():
        present = [each in batch for batch in batches.values()]
        assert any(present), each
        assert all(present) != spec.optional, each
    for dimension, bound in graph.bounds.items():
        sizes = set()
        for batch in batches.values():
            for each, value in batch.items():
                shape = graph.inputs[each].shape
                sizes |= {size for size, known in zip(value.shape, shape, strict=False) if known == dimension}
        if sizes:
            assert bound.minimum in sizes, dimension
            assert len(sizes) > 1, dimension
            assert bound.maximum is None or bound.maximum > 300 or bound.maximum in sizes, dimension
    weighted = [part.weights for part in graph.loss_parts if part.weights]
    if weighted:
        assert not any(batches["nothing to learn"][each].any() for each in weighted)


def test_rows_reach_beyond_what_a_block_says_of_itself():
    for name, least in (("t5_small", 130), ("gpt3_tiny", 6), ("rotary_bert", 257)):
        graph = shrunk(load_spec(name)).graph()
        assert max(batch[next(iter(batch))].shape[1] for batch in further_inputs(graph, 1).values()) >= least


def test_labels_take_up_every_frame_and_one_more_than_there_are():
    graph = shrunk(load_spec("hubert_tiny_ctc")).graph()
    batches = further_inputs(graph, 1)
    model = zoo_torch.compile(graph, dtype="float64")
    for name, is_finite in (("labels that just fit", True), ("labels that do not fit", False)):
        inputs = {each: torch.from_numpy(value) for each, value in batches[name].items()}
        assert torch.isfinite(model(**inputs)["loss"]) == is_finite
        assert (inputs["labels"] != 0).sum(1).tolist() == [2] * len(inputs["labels"])


def test_what_inputs_lead_to_follows_the_required_ports():
    graph = shrunk(load_spec("bert_tiny")).graph()
    assert given_outputs(graph, list(graph.inputs)) == set(graph.outputs)
    left = [name for name in graph.inputs if name != "next_sentence_labels"]
    gone = set(graph.outputs) - given_outputs(graph, left)
    assert gone == {"loss", "next_sentence_loss", "next_sentence_numerator", "next_sentence_denominator"}


def test_a_path_is_fixed_while_it_lasts_and_is_one_of_those_that_are_listed(monkeypatch):
    monkeypatch.setattr("zoo_common.paths._choices", {})  # Else later tests would meet this choice too.
    choice = Choice("a choice of this test", "left", "right")
    assert paths("blocks") == ["a choice of this test left", "a choice of this test right"]
    assert choice.taken("left") == "left"
    with fixed("a choice of this test right"):
        assert choice.taken("left") == "right"
    assert choice.taken("left") == "left"


def test_every_path_of_either_framework_is_tried():
    tried = {turn.path for turn in Probes(shrunk(load_spec("bert_tiny")).graph(), 1).turns.values()}
    assert {"attention open", "attention fused", "call compiled"} <= tried


def test_a_path_of_one_framework_runs_the_other_once_for_each_batch(monkeypatch):
    spec = shrunk(load_spec("mnist_fc"))
    bench = Bench(spec, spec.graph(), FRAMEWORKS, 1, dtypes=["float64"])
    runs = Counter()

    def count(model, what):
        run = getattr(model, what)
        monkeypatch.setattr(model, what, lambda batch: runs.update([(model.name, what)]) or run(batch))

    for framework, what in product(FRAMEWORKS, ("call", "gradients")):
        count(bench.backend(framework, "float64"), what)
    assert all(next(level(bench)).passed for level in (static.forward, static.gradient))
    turns = bench.subject.turns.values()
    taught = [turn for turn in turns if bench.graph.labels <= set(turn.batch)]
    assert sum(turn.path is not None for turn in taught) > 1
    assert runs["torch", "call"] == len(turns)
    assert runs["torch", "gradients"] == len(taught) + 1  # And of the rows that all paths are tried on.
    assert runs["tf", "call"] == len({id(turn.batch) for turn in turns}) < len(turns)
    assert runs["tf", "gradients"] == len({id(turn.batch) for turn in taught}) < len(taught)


def hide(monkeypatch, where, name: str, change) -> None:
    """Replace a function or a method by what ``change`` makes of it."""
    monkeypatch.setattr(where, name, change(getattr(where, name)))


def mask_dropped(original):
    return lambda q, k, v, attn_mask=None, **kwargs: original(q, k, v, **kwargs)


def wrong_where_traced(original):
    def forward(self, x):
        found = original(self, x)
        return {**found, "x": found["x"] * 1.001} if torch.compiler.is_compiling() else found

    return forward


def second_type_where_none_is_told(original):
    def add_types(x, table, ids):
        return original(
            x, table, tf.ones_like(x[..., 0], tf.int32) if ids is None and table is not None else ids
        )

    return add_types


def nearer_limit(original):
    def forward(self, x):
        self.max_distance, kept = 64, self.max_distance
        self.buckets, table = self.buckets[kept - 64 : kept + 65], self.buckets
        try:
            return original(self, x)
        finally:
            self.max_distance, self.buckets = kept, table

    return forward


def training_where_nothing_is_said(original):
    def call(self, x, *, training=None):
        return original(self, x, training=training is not False)

    return call


def all_where_none_is_weighted(original):
    def weighted(each, weights):
        return original(each, None if weights is not None and not weights.any() else weights)

    return weighted


def wrong_alone(original):
    def forward(self, x, *, positions=None):
        found = original(self, x, positions=positions)
        return found.roll(1, -1) if x.shape[1] == 1 else found

    return forward


DEFECTS = {
    "a mask that the fused kernel is not given": (
        "bert_tiny", zoo_torch.blocks.attend.F, "scaled_dot_product_attention", mask_dropped),
    "another result where torch traces": ("bert_tiny", embedding.Embedding, "forward", wrong_where_traced),
    "another type where none is told": (
        "bert_tiny", zoo_tf.blocks.embeddings, "add_types", second_type_where_none_is_told),
    "distances that share a bucket too early": (
        "t5_tiny", zoo_torch.blocks.relative_position.RelativePositions, "forward", nearer_limit),
    "dropout where nothing is said of training": (
        "bert_base", zoo_tf.blocks.dropout.Dropout, "call", training_where_nothing_is_said),
    "a row of one token": ("bert_tiny", zoo_torch.blocks.position.LearnedPositions, "forward", wrong_alone),
    "a mean of all where no label has a weight": (
        "unet_tiny", zoo_torch.blocks.losses, "weighted", all_where_none_is_weighted),
}  # fmt: skip


@cache
def without_defect(name: str, framework: str) -> Bench:
    """What a framework gives for all probes of a spec."""
    spec = shrunk(load_spec(name))
    bench = Bench(spec, spec.graph(), FRAMEWORKS, 1, dtypes=["float64"])
    bench.outputs(framework, "float64")
    bench.turned_outputs(framework)
    return bench


@pytest.mark.parametrize("defect", some("hidden", list(DEFECTS), 4))
def test_a_defect_in_a_branch_is_seen_where_it_hides(defect, monkeypatch):
    name, where, attribute, change = DEFECTS[defect]
    owner = getattr(where, "__module__", where.__name__)
    healthy = without_defect(name, "torch" if owner.startswith("zoo_tf.") else "tf")
    hide(monkeypatch, where, attribute, change)
    given = {"_outputs": dict(healthy._outputs), "_turned": dict(healthy._turned)}
    bench = Bench(healthy.spec, healthy.graph, FRAMEWORKS, 1, dtypes=["float64"], **given)
    found = [next(level(bench)) for level in (static.forward, static.loss)]
    assert not all(result.passed for result in found)
    full, same = (bench.outputs(framework, "float64")["full"] for framework in bench.frameworks)
    assert output_gap(full, same).value < 1e-10, "full rows show it too"


UNEVEN = """
model:
  kind: graph
  inputs:
    x: {shape: [batch, 9, 7, 2]}
    labels: {shape: [batch, 12, 7], dtype: int32, label: true}
    label_weights: {shape: [batch, 12, 7], label: true}
  nodes:
    first: {block: {kind: conv2d, channels: 5, size: [3, 2], stride: [2, 3], padding: [[1, 0], [0, 2]]}, inputs: x}
    second: {block: {kind: conv2d, channels: 4, size: [2, 3], padding: [[2, 1], [1, 1]]}, inputs: first}
    pooled: {block: {kind: max_pool2d, size: [2, 1], stride: [1, 2]}, inputs: second}
    norm: {block: {kind: batch_norm, epsilon: 1e-5}, inputs: pooled}
    wider: {block: {kind: transposed_conv2d, channels: 3, size: [4, 5], stride: [2, 2]}, inputs: norm}
    loss: {block: {kind: softmax_cross_entropy}, inputs: {logits: wider, labels: labels, weights: label_weights}}
  outputs: {logits: wider, loss: loss}
task: {kind: segmentation}
data: {kind: generated}
"""


@pytest.mark.parametrize("name", some("turns", ["gpt2_tiny", "unet_tiny_residual", "two_branch_classifier"]))
def test_without_a_defect_no_turn_parts_the_frameworks(name):
    spec = shrunk(load_spec(name))
    bench = Bench(spec, spec.graph(), ("tf", "torch"), 1, dtypes=["float64"])
    for level in (static.forward, static.loss, static.gradient):
        assert next(level(bench)).passed


def test_odd_and_unequal_sizes_strides_and_pads_agree(tmp_path):
    file = tmp_path / "uneven.yaml"
    file.write_text(UNEVEN, encoding="utf-8")
    report = run_parity(load_spec(str(file)), level="step", dtypes=["float64"])
    assert report.passed, report
