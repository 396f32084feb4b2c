"""What tasks on text say of a packed or padded row is what they say of its examples in rows of their own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf.blocks.pooling
import zoo_torch.blocks.pooling
from zoo_common.parity.probes import probe_weights
from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.shrink import shrunk

LENGTHS = (9, 6)
SEQUENCE_TASKS = ("sequence_classification", "sequence_multi_label_classification", "sequence_regression")

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


@cache
def make(name: str, task: str, framework: str):
    spec = shrunk(load_spec(name, [f"task={task}", "data.kind=generated"]))
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


ORDER = [
    "first_token",
    "max_pooling",
    "mean_pooling",
    "square_root_pooling",
    "weighted_mean_pooling",
    "last_token",
]
"""That of sentence-transformers, where several modes are on."""


def published(states: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """The modes of ``sentence_transformers.models.Pooling``, written from its documentation."""
    weights = mask[:, :, None].astype(np.float64)
    ramp = weights * np.arange(1, mask.shape[1] + 1)[None, :, None]
    total, number = (states * weights).sum(1), np.maximum(weights.sum(1), 1e-9)
    return {
        "first_token": states[:, 0],
        "max_pooling": np.where(weights > 0, states, -1e9).max(1),
        "mean_pooling": total / number,
        "square_root_pooling": total / np.sqrt(number),
        "weighted_mean_pooling": (states * ramp).sum(1) / np.maximum(ramp.sum(1), 1e-9),
        "last_token": states[np.arange(len(mask)), mask.sum(1) - 1],
    }


def sentences(framework: str, *, normalize: bool = False, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    task = f"{{kind: representation, pooling: [{', '.join(ORDER)}], normalize: {str(normalize).lower()}}}"
    return run("bert_tiny", task, framework, **inputs)


@each_framework
def test_each_pooling_is_the_published_formula_and_sees_no_padding_nor_other_examples(framework):
    apart, packed = rows()
    found = sentences(framework, **apart)
    wanted = published(found["hidden_states"], apart["example_ids"])
    parts = dict(zip(ORDER, np.split(found["sentence"], len(ORDER), axis=-1), strict=True))
    for name in ORDER:
        np.testing.assert_allclose(parts[name], wanted[name], rtol=1e-12, err_msg=name)
    assert len({tuple(np.round(part[0], 6)) for part in parts.values()}) == len(ORDER)
    starts = np.array([[0, LENGTHS[0]]], np.int32)
    together = sentences(framework, **packed, pooled_positions=starts)["sentence"]
    np.testing.assert_allclose(together[0], found["sentence"], rtol=1e-10)
    full = sentences(framework, input_ids=apart["input_ids"])
    np.testing.assert_allclose(
        full["sentence"],
        np.concatenate([*published(full["hidden_states"], np.ones_like(apart["input_ids"])).values()], -1),
        rtol=1e-12,
    )


@each_framework
def test_a_normalised_vector_has_length_one(framework):
    apart, _ = rows()
    plain, found = (
        sentences(framework, normalize=normalize, **apart)["sentence"] for normalize in (False, True)
    )
    np.testing.assert_allclose(found, plain / np.linalg.norm(plain, axis=-1, keepdims=True), rtol=1e-12)


def test_a_vector_of_zeros_has_a_finite_gradient():
    """Whose own length is no divisor: both give x / epsilon and its gradient."""
    x = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    zoo_torch.blocks.pooling.UnitLength(epsilon=0.5)(x).sum().backward()
    with tf.GradientTape() as tape:
        tape.watch(y := tf.zeros([1, 3], tf.float64))
        total = tf.reduce_sum(zoo_tf.blocks.pooling.UnitLength(epsilon=0.5, dtype="float64")(y))
    np.testing.assert_allclose(x.grad.numpy(), [[2.0, 2.0, 2.0]])
    np.testing.assert_allclose(tape.gradient(total, y).numpy(), [[2.0, 2.0, 2.0]])


def test_a_model_without_tokens_has_nothing_to_pool():
    for name in ("mnist_fc", "vit_tiny"):
        with pytest.raises(SpecError, match="pooling is over the hidden states of tokens"):
            load_spec(name, ["task={kind: representation, pooling: mean_pooling}"]).graph()
