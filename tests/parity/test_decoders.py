"""Banded attention and rotary positions in both frameworks, against formulas of their own, in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf
import zoo_torch
from references import FAMILIES
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])
LENGTH, WIDTH, HEADS = 11, 12, 2


def attention_spec(**fields) -> ExperimentSpec:
    ids = {"shape": ("batch", "sequence"), "dtype": "int32", "optional": True}
    return ExperimentSpec.model_validate(
        {
            "name": "one_attention",
            "model": {
                "kind": "graph",
                "bounds": {"sequence": 16},
                "inputs": {
                    "x": {"shape": ("batch", "sequence", WIDTH)},
                    "example_ids": ids,
                    "positions": ids,
                },
                "nodes": {
                    "attention": {
                        "block": {"num_heads": HEADS, **fields},
                        "inputs": {"x": "x", "example_ids": "example_ids", "positions": "positions"},
                    }
                },
                "outputs": {"hidden_states": "attention"},
            },
            "task": {"kind": "representation"},
        }
    )


def run(spec: ExperimentSpec, framework: str, weights, inputs) -> np.ndarray:
    if framework == "torch":
        model = zoo_torch.compile(spec, dtype="float64")
        zoo_torch.set_weights(model, weights)
        given = {name: torch.from_numpy(value) for name, value in inputs.items()}
        return model(**given)["hidden_states"].detach().numpy()
    model = zoo_tf.compile(spec, dtype="float64")
    zoo_tf.set_weights(model, weights)
    return model({name: tf.constant(value) for name, value in inputs.items()})["hidden_states"].numpy()


def draw(spec: ExperimentSpec, seed: int = 0):
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal(each.shape) / 3 for name, each in spec.graph().parameters().items()}
    return weights, rng.standard_normal((2, LENGTH, WIDTH))


def by_hand(weights, x, sees, turn=lambda vector, place: vector, places=None):
    """Attention written out: each position mixes the values of those that ``sees(row, position, other)``."""
    head = WIDTH // HEADS

    def project(name, vector):
        return weights[f"attention.{name}.weight"] @ vector + weights[f"attention.{name}.bias"]

    out = np.zeros_like(x)
    for row in range(len(x)):
        place = np.arange(LENGTH) if places is None else places[row]
        q, k, v = (
            np.array([project(name, vector) for vector in x[row]]) for name in ("query", "key", "value")
        )
        for position in range(LENGTH):
            others = [other for other in range(LENGTH) if sees(row, position, other)]
            mixed = []
            for n in range(HEADS):
                part = slice(n * head, (n + 1) * head)
                turned = turn(q[position, part], place[position])
                scores = [turned @ turn(k[other, part], place[other]) / np.sqrt(head) for other in others]
                shares = np.exp(scores) / np.exp(scores).sum()
                mixed.append(sum(share * v[other, part] for share, other in zip(shares, others, strict=True)))
            out[row, position] = project("project", np.concatenate(mixed))
    return out


@each_framework
@pytest.mark.parametrize("mask", ["causal", "bidirectional"])
@pytest.mark.parametrize("window", [1, 3, 50])
@pytest.mark.parametrize("packed", [False, True])
def test_a_banded_layer_sees_the_nearest_positions_alone(framework, mask, window, packed):
    spec = attention_spec(kind="banded_attention", mask=mask, window=window)
    weights, x = draw(spec)
    ids = np.array([[1] * 4 + [2] * 5 + [0] * 2, [1] * 11], np.int32)
    inputs = {"x": x, "example_ids": ids} if packed else {"x": x}

    def sees(row, position, other):
        near = abs(position - other) < window and (not packed or ids[row, position] == ids[row, other])
        return near and (mask == "bidirectional" or other <= position)

    np.testing.assert_allclose(run(spec, framework, weights, inputs), by_hand(weights, x, sees), atol=1e-12)


@each_framework
@pytest.mark.parametrize(("style", "dims"), [("interleaved", 4), ("halves", 4), ("halves", None)])
@pytest.mark.parametrize("packed", [False, True])
def test_rotary_positions_turn_pairs_as_the_paper_says(framework, style, dims, packed):
    """Su et al. (2021), equation 15: each pair as a complex number, times exp(i p theta)."""
    spec = attention_spec(
        kind="attention", position={"kind": "rotary", "style": style, "dims": dims, "base": 50.0, "size": 16}
    )
    weights, x = draw(spec)
    ids = np.array([[1] * 4 + [2] * 5 + [0] * 2, [1] * 11], np.int32)
    places = np.array([[*range(4), *range(5), 0, 0], [*range(3, 14)]], np.int32)
    inputs = {"x": x, "example_ids": ids, "positions": places} if packed else {"x": x}

    def turn(vector, place):
        count = dims or len(vector)
        first, second = (
            (np.arange(0, count, 2), np.arange(1, count, 2))
            if style == "interleaved"
            else (np.arange(count // 2), np.arange(count // 2, count))
        )
        angles = place * 50.0 ** (-2 * np.arange(count // 2) / count)
        pairs = (vector[first] + 1j * vector[second]) * np.exp(1j * angles)
        turned = vector.copy()
        turned[first], turned[second] = pairs.real, pairs.imag
        return turned

    wanted = by_hand(
        weights,
        x,
        lambda row, one, other: not packed or ids[row, one] == ids[row, other],
        turn,
        places if packed else None,
    )
    np.testing.assert_allclose(run(spec, framework, weights, inputs), wanted, atol=1e-12)


@each_framework
def test_late_positions_are_turned_to_float32_s_own_rounding(framework):
    """Angles made in float32 would be off by 1e-4 at position 2,000."""
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    wide, narrow = {}, {}
    for dtype, found in (("float64", wide), ("float32", narrow)):
        spec = load_spec("gptj_tiny", ["model.max_positions=2048", "model.vocab_size=50"])
        model = room.compile(spec, seed=3, dtype=dtype)
        inputs = {
            "input_ids": np.array([[3, 5, 7]], np.int32),
            "positions": np.array([[2000, 2017, 2040]], np.int32),
        }
        if framework == "torch":
            outputs = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
            found["x"] = outputs["hidden_states"].detach().numpy()
        else:
            found["x"] = model({name: tf.constant(value) for name, value in inputs.items()})[
                "hidden_states"
            ].numpy()
    assert np.abs(wide["x"] - narrow["x"]).max() < 3e-6 * np.abs(wide["x"]).max()


@each_framework
@pytest.mark.parametrize("name", ["gpt2_tiny", "gptj_tiny", "gpt_neox_tiny", "gpt3_tiny"])
def test_no_position_of_a_decoder_sees_those_after_it(name, framework):
    spec = load_spec(name, ["model.vocab_size=50", "task={kind: representation}"])
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, (1, 9)).astype(np.int32)
    changed = ids.copy()
    changed[0, 5] = (ids[0, 5] + 1) % 50
    weights = {each: rng.standard_normal(row.shape) / 4 for each, row in spec.graph().parameters().items()}
    before, after = (run(spec, framework, weights, {"input_ids": one}) for one in (ids, changed))
    assert np.array_equal(before[:, :5], after[:, :5])
    assert (np.abs(before - after)[:, 5:].max(-1) > 1e-3).all()


@pytest.mark.parametrize("family", [name for name in FAMILIES if name.startswith("gpt")])
def test_the_reference_as_it_comes_agrees_with_its_float64_form_as_far_as_float32_does(family):
    """What tests/support/references/gpt.py changes in it is its rounding, and nothing else."""
    row = FAMILIES[family]
    changed, plain = row.build_reference(), replace(row, prepare=lambda model: None).build_reference()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one, other in zip(changed.parameters(), plain.parameters(), strict=True):
            one.copy_(torch.randn(one.shape, generator=generator, dtype=one.dtype) / 4)
            other.copy_(one)
    for variant in row.variants:
        given = {name: torch.from_numpy(value) for name, value in row.draw_inputs(variant).items()}
        given = {name: each if each.is_floating_point() else each.long() for name, each in given.items()}
        wanted = row.call(changed, given)
        for name, value in row.call(plain, given).items():
            assert (value - wanted[name]).abs().max() < 1e-6 * wanted[name].abs().max(), name
