"""Rows of several examples: which stand together, what a row says of each, and what cannot be packed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from uneven import UnevenExamples
from zoo_common.data.base import DataDescription, Dataset, Padding
from zoo_common.data.batching.packed import PackedExamples
from zoo_common.data.batching.row_plan import histogram, patterns
from zoo_common.metrics import open_metric
from zoo_spec import load_spec
from zoo_spec.data_fit import check_data
from zoo_spec.errors import InputError
from zoo_spec.tasks import metrics
from zoo_spec.tasks.sequence_classification import SequenceClassification

LONGEST, EXAMPLES = 512, 3000


@cache
def log_normal(mean: float, spread: float = 0.8) -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = rng.lognormal(np.log(mean) - spread**2 / 2, spread, EXAMPLES)
    return np.clip(drawn, 1, LONGEST).astype(np.int32)


class Numbered(Dataset):
    """Examples whose tokens are all their own index, and whose label is that too."""

    def __init__(self, lengths: np.ndarray, longest: int = LONGEST) -> None:
        self._lengths, self._longest = lengths, longest

    def __len__(self) -> int:
        return len(self._lengths)

    def lengths(self):
        return {"sequence": self._lengths}

    def padding(self) -> Padding:
        return Padding(
            dict.fromkeys(("input_ids", "example_ids"), "sequence"),
            {"sequence": self._longest},
            {"input_ids": -1},
        )

    def example(self, epoch: int, index: int):
        length = int(self._lengths[index])
        return {
            "input_ids": np.full(length, index, np.int32),
            "example_ids": np.ones(length, np.int32),
            "labels": np.asarray(index, np.int32),
        }


@cache
def classifier():
    return load_spec("bert_tiny", ["task=sequence_classification", "data.kind=generated"]).graph()


@cache
def packed() -> PackedExamples:
    return PackedExamples(Numbered(log_normal(114)), classifier())


def test_every_example_is_in_each_epoch_once_and_whole():
    examples, lengths = packed(), log_normal(114)
    seen: list[list[int]] = []
    for epoch in range(2):
        batch = examples.batch(0, epoch, examples.rows)
        real = batch["example_ids"] > 0
        found, counts = np.unique(batch["input_ids"][real], return_counts=True)
        np.testing.assert_array_equal(found, np.arange(EXAMPLES))
        np.testing.assert_array_equal(counts, lengths)
        assert (batch["input_ids"][~real] == -1).all()
        assert np.sort(batch["labels"][batch["label_weights"] > 0]).tolist() == list(range(EXAMPLES))
        seen.append(batch["input_ids"][:, 0].tolist())
    assert seen[0] != seen[1]


def test_the_rows_of_an_epoch_are_those_of_its_batches_and_any_batch_is_made_by_itself():
    whole = packed().batch(3, 1, packed().rows)
    size, first = 5, packed().rows
    assert first % size  # Batches span epochs.
    fresh = PackedExamples(Numbered(log_normal(114)), classifier())
    for step in (first // size + 1, first // size + 20):
        batch = fresh.batch(3, step, size)
        for name, value in batch.items():
            np.testing.assert_array_equal(value, whole[name][step * size - first :][:size], name)


def test_a_row_says_where_each_example_stands():
    batch = packed().batch(0, 0, 16)
    assert {name: value.shape[0] for name, value in batch.items()} == dict.fromkeys(batch, 16)
    for row in range(16):
        weights, starts = batch["label_weights"][row], batch["pooled_positions"][row]
        several = int(weights.sum())
        assert weights.tolist() == [1.0] * several + [0.0] * (len(weights) - several)
        for number in range(several):
            own = np.flatnonzero(batch["example_ids"][row] == number + 1)
            np.testing.assert_array_equal(own, starts[number] + np.arange(len(own)))
            np.testing.assert_array_equal(batch["positions"][row][own], np.arange(len(own)))
            assert set(batch["input_ids"][row][own]) == {batch["labels"][row][number]}
        assert not starts[several:].any()


def test_all_batches_have_one_shape_so_that_nothing_is_compiled_twice():
    shapes = {
        tuple(
            sorted((name, value.shape, value.dtype.str) for name, value in packed().batch(0, step, 4).items())
        )
        for step in range(40)
    }
    assert len(shapes) == 1


def test_how_full_rows_are_is_said_of_the_data():
    class Described(Numbered):
        def description(self):
            return DataDescription("numbers", len(self), 0, 1, notes=("of their own",))

    examples = PackedExamples(Described(np.array([5, 5, 6, 2])), classifier(), most_examples=2)
    assert examples.description().notes == (
        "of their own",
        "packed in 2 rows of up to 2 examples, which are full by 1.8%",
    )


@pytest.mark.parametrize(("mean", "least"), [(114, 0.95), (45, 0.99), (300, 0.95)])
def test_little_of_a_row_is_padding(mean, least):
    batch = PackedExamples(Numbered(log_normal(mean)), classifier())
    rows = batch.batch(0, 0, batch.rows)["example_ids"]
    assert (rows > 0).mean() == pytest.approx(batch.share)
    assert batch.share >= least
    assert batch.rows <= 1.02 * np.ceil(log_normal(mean).sum() / LONGEST) or mean == 300


@pytest.mark.parametrize("most", [None, 3])
def test_rows_hold_all_lengths_once_and_none_too_much_in_any_dimension(most):
    rng = np.random.default_rng(1)
    source = rng.integers(1, 200, 900)
    lengths = np.stack([source, np.clip(source + rng.integers(-30, 30, 900), 0, 120)], axis=1)
    room = np.array([256, 128])
    found = histogram(list(lengths.T), room)
    rows = patterns(found, room, most)
    handed = np.zeros(len(found.counts), int)
    for row in rows:
        assert (sum(found.sizes[kind] * number for kind, number in row.classes) <= room).all()
        assert row.examples <= (most or 900)
        for kind, number in row.classes:
            handed[kind] += number * row.rows
    np.testing.assert_array_equal(handed, np.bincount(found.classes))
    assert (found.sizes[found.classes] >= lengths).all()


def test_more_different_lengths_than_can_be_told_apart_are_rounded_up():
    rng = np.random.default_rng(2)
    lengths, room = rng.integers(1, 500, (20000, 2)), np.array([512, 512])
    found = histogram(list(lengths.T), room)
    assert len(found.sizes) <= 4096
    over = found.sizes[found.classes] - lengths
    assert over.min() == 0
    assert over.max() < 8


def test_masked_positions_get_the_room_that_full_rows_of_them_need():
    graph = load_spec("bert_tiny", ["task=masked_lm", "data.kind=generated"]).graph()
    examples = UnevenExamples(graph, {"sequence": 128, "predictions": 20}, 400)
    given = examples.lengths()
    wanted = 128 * given["predictions"].sum() / given["sequence"].sum()
    batch = PackedExamples(examples, graph).batch(0, 0, 4)
    assert wanted <= batch["masked_positions"].shape[1] <= 1.1 * wanted + 1
    at, weights = batch["masked_positions"], batch["masked_weights"]
    assert (np.take_along_axis(batch["example_ids"], at, 1) > 0)[weights > 0].all()


def test_examples_that_may_all_fill_a_row_have_one_each_and_that_is_said(caplog):
    class Full(Numbered):
        def lengths(self):
            return {}

    examples = PackedExamples(Full(np.full(5, 16), 16), classifier())
    assert examples.rows == 5
    assert "may fill a row of 16" in caplog.text


def test_examples_without_numbers_of_examples_are_refused():
    class Bare(Numbered):
        def example(self, epoch, index):
            return {
                name: value for name, value in super().example(epoch, index).items() if name != "example_ids"
            }

    with pytest.raises(InputError, match="give no example_ids; they give input_ids, labels"):
        PackedExamples(Bare(np.full(5, 3), 16), classifier()).batch(0, 0, 2)


@pytest.mark.parametrize(
    ("name", "overrides", "why"),
    [
        ("vit_tiny", [], "it takes image, and no example_ids"),
        (
            "linformer_tiny",
            [],
            "linformer_attention 'encoder.layers.0.attention' cannot keep the examples of a row apart",
        ),
        (
            "hubert_tiny_ctc",
            [],
            "waveform_encoder 'waveform_encoder' cannot keep the examples of a row apart",
        ),
        ("unet_tiny", [], "batch_norm 'encoder_0_norm_0' cannot keep the examples of a row apart"),
        ("two_towers", [], "learned_positions 'embeddings.position' counts along the row"),
        (
            "bert_tiny",
            ["data={kind: generated}"],
            "data of kind 'generated' is inputs and labels drawn at random",
        ),
    ],
)
def test_what_cannot_be_packed_is_refused_by_name_before_any_data_is_read(name, overrides, why):
    spec = load_spec(name, [*overrides, "data.batching=packed"])
    remedy = "padded$" if spec.data.size is None else "bucketed, or to padded$"
    with pytest.raises(InputError, match=f"data.batching is packed.*{why}.*set data.batching to {remedy}"):
        check_data(spec, spec.graph())


@pytest.mark.parametrize("name", ["bert_tiny_ner", "gpt2_tiny_summarization", "bert_tiny_summarization"])
def test_records_that_are_drawn_are_packed_like_those_that_are_read(name):
    spec = load_spec(name, ["data.batching=packed"])
    check_data(spec, spec.graph())


COMPOSED = """
model:
  kind: graph
  inputs:
    input_ids: {shape: [batch, sequence], dtype: int32}
    example_ids: {shape: [batch, sequence], dtype: int32, optional: true}
    labels: {shape: [batch], dtype: int32, label: true}
    WEIGHTS
  bounds: {sequence: 16}
  nodes:
    embed: {block: {kind: embedding, rows: 9, size: 8}, inputs: [input_ids]}
    mix: {block: {kind: attention, num_heads: 2}, inputs: MIX}
    pool: {block: mean_pooling, inputs: {x: mix, example_ids: example_ids}}
    classify: {block: {kind: dense, size: 3}, inputs: [pool]}
    loss: {block: softmax_cross_entropy, inputs: {logits: classify, labels: labels}}
  outputs: {loss: loss}
data: {kind: text, sequence_length: 16, batching: packed}
"""


@pytest.mark.parametrize(
    ("mix", "why"),
    [
        ("[embed.x]", "attention 'mix' has no input example_ids"),
        (
            "{x: embed.x, example_ids: example_ids}",
            "mean_pooling 'pool' gives one answer a row, and has no input pooled_p",
        ),
    ],
)
def test_a_composed_graph_is_refused_by_the_block_that_is_told_nothing(tmp_path, mix, why):
    file = tmp_path / "own.yaml"
    file.write_text(COMPOSED.replace("MIX", mix).replace("    WEIGHTS\n", ""), encoding="utf-8")
    spec = load_spec(str(file))
    with pytest.raises(InputError, match=why):
        check_data(spec, spec.graph())


@pytest.mark.parametrize("class_weights", [None, "balanced"])
def test_metrics_of_packed_rows_are_those_of_their_examples(class_weights):
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 3, 5), rng.standard_normal((5, 3))
    accuracy, *_ = SequenceClassification(classes=3, class_weights=class_weights).metrics()
    # What a class weighs in the loss is nothing to its metrics.
    of_class = np.array([1.0, 1.0, 1.0] if class_weights is None else [0.3, 2.0, 1.0])
    counter = open_metric(accuracy)
    counter.add({"labels": labels, "label_weights": of_class[labels]}, {"logits": logits})
    assert counter.value == pytest.approx((labels == logits.argmax(-1)).mean())
    rows = open_metric(counter.metric)
    filled = np.concatenate([labels, [int(logits[0].argmax())]]).reshape(2, 3)
    weights = of_class[filled] * np.array([[1, 1, 1], [1, 1, 0]])
    rows.add(
        {"labels": filled, "label_weights": weights},
        {"logits": np.concatenate([logits, logits[:1]]).reshape(2, 3, 3)},
    )
    assert rows.value == counter.value


@pytest.mark.parametrize("kind", [metrics.SpanExactMatch, metrics.SpanF1])
def test_answers_of_packed_rows_are_judged_within_their_own_example(kind):
    metric = kind("span", "start", "start_positions", "answer_weights", "end", "end_positions")
    rng = np.random.default_rng(4)
    lengths, starts = np.array([5, 4, 6]), np.array([0, 5, 9])
    start, end = rng.standard_normal((2, 15))
    first, last = np.array([2, 1, 0]), np.array([3, 3, 4])
    alone = open_metric(metric)
    for at in range(3):
        part = slice(starts[at], starts[at] + lengths[at])
        alone.add(
            {"start_positions": first[at : at + 1], "end_positions": last[at : at + 1]},
            {"start": start[None, part], "end": end[None, part]},
        )
    together = open_metric(metric)
    together.add(
        {
            "start_positions": np.append(first + starts, 0)[None],
            "end_positions": np.append(last + starts, 0)[None],
            "answer_weights": np.array([[1, 1, 1, 0]]),
            "example_ids": np.repeat([1, 2, 3], lengths)[None],
        },
        {"start": start[None], "end": end[None]},
    )
    assert together.value == pytest.approx(alone.value, abs=1e-12)
