"""Perplexity and bits per byte, against their formulas in float64."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from zoo_common.data import open_dataset
from zoo_common.data.base import evaluation_batches
from zoo_common.metrics import open_metric, open_text_metric
from zoo_spec import load_spec
from zoo_spec.tasks.metrics import BitsPerByte, Perplexity

PERPLEXITY = Perplexity("perplexity", "logits", "labels", "label_weights")
BITS = BitsPerByte("bits_per_byte", "logits", "labels", "label_weights")


def _counted(logits, labels, weights, parts):
    counter = open_metric(PERPLEXITY)
    for part in np.array_split(np.arange(len(labels)), parts):
        counter.add({"labels": labels[part], "label_weights": weights[part]}, {"logits": logits[part]})
    return counter.value


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("size", [7, 3_000_000], ids=["small", "a row of more than is looked at at once"])
def test_perplexity_is_exp_of_the_weighted_mean_of_the_cross_entropy(size, parts):
    rng = np.random.default_rng(0)
    shape = (6, 5) if size == 7 else (3, 1)
    logits = (9 * rng.standard_normal((*shape, size), np.float32)).astype(np.float32)
    labels, weights = rng.integers(size, size=shape), rng.choice([0, 0.5, 2], shape).astype(np.float32)
    weights[0, 0] = 1
    wide = logits.astype(np.float64)
    log = wide - np.log(np.exp(wide).sum(-1, keepdims=True))
    each = -np.take_along_axis(log, labels[..., None], -1)[..., 0]
    wanted = math.exp((weights * each).sum() / weights.sum())
    assert _counted(logits, labels, weights, parts) == pytest.approx(wanted, rel=1e-12)


def test_a_perplexity_beyond_all_floats_is_the_largest_and_nothing_counted_is_0():
    logits = np.array([[[0.0, 1e4]]], np.float32)
    assert _counted(logits, np.zeros((1, 1), int), np.ones((1, 1)), 1) == sys.float_info.max
    assert open_metric(PERPLEXITY).value == 0
    assert math.isnan(_counted(np.full((1, 1, 2), np.nan), np.zeros((1, 1), int), np.ones((1, 1)), 1))


@pytest.mark.parametrize("overlap", [0, 5])
@pytest.mark.parametrize("tokenizer", ["wordpiece", "byte_level_bpe"])
def test_bits_per_byte_count_every_byte_but_those_of_each_document_s_first_token(
    tokenizer, overlap, tmp_path
):
    documents = [f"Ünder the sea {number} live 東京 fishes. And then — more so." for number in range(9)]
    path = tmp_path / "text.txt"
    path.write_text("\n\n\n".join(documents))
    sets = [f"data={{kind: text, files: [{path}], evaluation_files: [{path}], sequence_length: 16}}"]
    sets += [f"data.tokenizer={tokenizer}", f"data.overlap={overlap}", "model.vocab_size=400"]
    spec = load_spec("gpt2_tiny", sets)
    examples = open_dataset(spec, tmp_path / "run", "eval")
    counter, labels = open_text_metric(BITS, examples), 0.0
    for batch in evaluation_batches(examples, 4, ["label_weights"]):
        counter.add(batch, {"logits": np.zeros((*batch["labels"].shape, 400), np.float32)})
        labels += float(batch["label_weights"].sum())
    first = "Ünder" if tokenizer == "wordpiece" else None
    size = sum(len(text.encode()) for text in documents)
    if first:
        size -= len(documents) * len(first.encode())
    else:
        assert 0 < size - examples.predicted_bytes <= len(documents) * len("Ünder".encode())
        size = examples.predicted_bytes
    assert counter.values == {"bits_per_byte": pytest.approx(labels * math.log2(400) / size, rel=1e-12)}


def test_of_examples_whose_text_is_not_known_there_are_no_bits_per_byte():
    examples = open_dataset(load_spec("gpt2_tiny"), None, "train")
    counter = open_text_metric(BITS, examples)
    counter.add({"labels": np.zeros((1, 1), int)}, {"logits": np.zeros((1, 1, 3))})
    assert counter.values == {}
