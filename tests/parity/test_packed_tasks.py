"""What tasks on text say of a packed or padded row is what they say of its examples in rows of their own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf
import zoo_torch
from zoo_common.parity.probes import probe_weights
from zoo_spec import load_spec
from zoo_spec.shrink import shrunk

LENGTHS = (9, 6)
SEQUENCE_TASKS = ("sequence_classification", "sequence_multi_label_classification", "sequence_regression")

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


@cache
def make(name: str, task: str, framework: str):
    spec = shrunk(load_spec(name, [f"task.kind={task}", "data.kind=generated"]))
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    model = room.compile(spec, seed=0, dtype="float64")
    room.set_weights(model, probe_weights(spec.graph(), 0))
    return model


def run(name: str, task: str, framework: str, **inputs) -> dict[str, np.ndarray]:
    model = make(name, task, framework)
    if framework == "torch":
        found = model(**{key: torch.from_numpy(value) for key, value in inputs.items()})
        return {key: value.detach().numpy() for key, value in found.items()}
    found = model({key: tf.constant(value) for key, value in inputs.items()})
    return {key: value.numpy() for key, value in found.items()}


def rows() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Two examples in padded rows of their own, and the same in one row with padding at its end."""
    ids = np.random.default_rng(2).integers(1, 50, (2, max(LENGTHS)), dtype=np.int32)
    real = np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]
    apart = {"input_ids": ids * real, "example_ids": real.astype(np.int32)}
    pad = (0, 17 - sum(LENGTHS))
    packed = {
        "input_ids": np.pad(ids[real], pad)[None],
        "example_ids": np.pad(np.repeat([1, 2], LENGTHS), pad)[None],
        "positions": np.pad(np.concatenate([np.arange(length) for length in LENGTHS]), pad)[None],
    }
    return apart, {name: value.astype(np.int32) for name, value in packed.items()}


@each_framework
@pytest.mark.parametrize("task", SEQUENCE_TASKS)
@pytest.mark.parametrize("name", ["bert_tiny", "gpt2_small"])
def test_a_packed_row_has_an_answer_for_each_of_its_examples(name, task, framework):
    apart, packed = rows()
    rng = np.random.default_rng(4)
    labels = {
        "sequence_classification": np.array([1, 0], np.int32),
        "sequence_multi_label_classification": np.array([[1, 0], [1, 1]], np.int32),
        "sequence_regression": rng.standard_normal(2),
    }[task]
    starts = np.array([[0, LENGTHS[0]]], np.int32)
    alone = run(name, task, framework, **apart, labels=labels)
    together = run(name, task, framework, **packed, labels=labels[None], pooled_positions=starts)
    assert together["logits"].shape == (1, *alone["logits"].shape)
    np.testing.assert_allclose(together["logits"][0], alone["logits"], rtol=1e-10)
    np.testing.assert_allclose(together["loss"], alone["loss"], rtol=1e-10)
    assert np.abs(alone["logits"][0] - alone["logits"][1]).max() > 1e-3


@each_framework
def test_the_last_token_is_the_last_that_is_no_padding_on_either_side(framework):
    apart, _ = rows()
    right = run("gpt2_small", "representation", framework, **apart)
    flipped = {name: value[:, ::-1].copy() for name, value in apart.items()}
    left = run("gpt2_small", "representation", framework, **flipped)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(right["pooled"][row], right["hidden_states"][row, length - 1])
        np.testing.assert_array_equal(left["pooled"][row], left["hidden_states"][row, -1])
    plain = run("gpt2_small", "representation", framework, input_ids=apart["input_ids"])
    np.testing.assert_array_equal(plain["pooled"], plain["hidden_states"][:, -1])


@each_framework
def test_the_loss_of_an_answer_does_not_see_padding_nor_other_examples(framework):
    apart, packed = rows()
    labels = {"start_positions": np.array([2], np.int32), "end_positions": np.array([5], np.int32)}
    short = {name: value[1:, : LENGTHS[1]] for name, value in apart.items()}
    padded = {name: value[1:] for name, value in apart.items()}
    wanted = run("bert_tiny", "question_answering", framework, **short, **labels)["loss"]
    found = run("bert_tiny", "question_answering", framework, **padded, **labels)["loss"]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    moved = {name: value + np.int32(LENGTHS[0]) for name, value in labels.items()}
    found = run("bert_tiny", "question_answering", framework, **packed, **moved)["loss"]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@each_framework
def test_sentences_are_read_where_they_stand(framework):
    apart, packed = rows()
    alone = run(
        "bert_tiny",
        "extractive_summarization",
        framework,
        **apart,
        sentence_positions=np.array([[0, 4], [0, 3]], np.int32),
    )
    together = run(
        "bert_tiny",
        "extractive_summarization",
        framework,
        **packed,
        sentence_positions=np.array([[0, 4, 9, 12]], np.int32),
    )
    np.testing.assert_allclose(together["logits"].reshape(2, 2), alone["logits"], rtol=1e-10)
