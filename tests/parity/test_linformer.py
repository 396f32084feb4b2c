"""Linformer against the formulas of the paper (Wang et al., 2020), written out in NumPy float64."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf
import zoo_torch
from zoo_common.training.feed import open_feed
from zoo_common.training.named_batches import named_batches
from zoo_spec import load_spec
from zoo_spec.errors import InputError, SpecError
from zoo_spec.experiment import ExperimentSpec

LIMIT = 1e-10
HEADS, WIDTH, LAYERS, LONGEST, PROJECTED, ROWS = 4, 20, 2, 17, 5, 43
LENGTHS, LENGTH = (13, 9, 4), 13  # shorter than the longest sequence, so that the projections are cut
SHARING = ("none", "heads", "key_value", "layerwise")
erf = np.vectorize(math.erf)

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])
each_sharing = pytest.mark.parametrize("sharing", SHARING)


def make_spec(sharing: str) -> ExperimentSpec:
    model = {
        "kind": "linformer",
        "hidden_size": WIDTH,
        "num_layers": LAYERS,
        "num_heads": HEADS,
        "intermediate_size": 31,
        "vocab_size": ROWS,
        "max_positions": LONGEST,
        "layer_norm_epsilon": 3e-3,
        "projected_size": PROJECTED,
    }
    if sharing == "layerwise":
        model["attention"] = {"kind": "layerwise_linformer_attention"}
    else:
        model["sharing"] = sharing
    return ExperimentSpec.model_validate({"model": model, "task": {"kind": "masked_lm"}})


@cache
def draw_weights(sharing: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        name: rng.standard_normal(parameter.shape)
        * (1.5 / np.sqrt(parameter.shape[-1]) if parameter.role == "weight" else 1.0)
        for name, parameter in make_spec(sharing).graph().parameters().items()
    }


@cache
def draw_batch() -> dict[str, np.ndarray]:
    ids = np.random.default_rng(11).integers(0, ROWS, (len(LENGTHS), LENGTH))
    return {
        "input_ids": ids.astype(np.int32),
        "example_ids": (np.arange(LENGTH) < np.array(LENGTHS)[:, None]).astype(np.int32),
        "masked_positions": np.array([[0, 2], [8, 1], [3, 0]], np.int32),
    }


class Paper:
    """The formulas for one example, ``[tokens, width]``, with no padding anywhere."""

    def __init__(self, sharing: str) -> None:
        self.sharing, self.weights = sharing, draw_weights(sharing)

    def dense(self, x, path):
        return x @ self.weights[f"{path}.weight"].T + self.weights[f"{path}.bias"]

    def norm(self, x, path):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 3e-3)
        return scaled * self.weights[f"{path}.weight"] + self.weights[f"{path}.bias"]

    def projections(self, layer, head):
        """``E`` and ``F`` of equation 7, ``[k, n]``, as section 4 shares them."""
        path = f"encoder.layers.{layer}.attention"
        if self.sharing == "layerwise":
            return (self.weights["encoder.projection"],) * 2
        if self.sharing == "key_value":
            return (self.weights[f"{path}.projection"],) * 2
        e, f = self.weights[f"{path}.key_projection"], self.weights[f"{path}.value_projection"]
        return (e[head], f[head]) if self.sharing == "none" else (e, f)

    def attention(self, x, layer):
        path, tokens, size = f"encoder.layers.{layer}.attention", len(x), WIDTH // HEADS
        q, k, v = (self.dense(x, f"{path}.{name}") for name in ("query", "key", "value"))
        heads = []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            e, f = self.projections(layer, head)
            scores = q[:, part] @ (e[:, :tokens] @ k[:, part]).T / np.sqrt(size)
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(shares / shares.sum(-1, keepdims=True) @ (f[:, :tokens] @ v[:, part]))
        return self.dense(np.concatenate(heads, -1), f"{path}.project")

    def hidden_states(self, ids):
        table = self.weights["embeddings.token.weight"]
        x = table[ids] + self.weights["embeddings.position.weight"][: len(ids)]
        x = self.norm(x, "embeddings.norm")
        for layer in range(LAYERS):
            path = f"encoder.layers.{layer}"
            x = self.norm(x + self.attention(x, layer), f"{path}.attention_norm")
            inner = self.gelu(self.dense(x, f"{path}.feed_forward.inner"))
            x = self.norm(x + self.dense(inner, f"{path}.feed_forward.outer"), f"{path}.feed_forward_norm")
        return x

    def logits(self, x):
        x = self.norm(self.gelu(self.dense(x, "masked_lm.dense")), "masked_lm.norm")
        return x @ self.weights["embeddings.token.weight"].T + self.weights["masked_lm.decoder.bias"]

    def gelu(self, x):
        return x * (1 + erf(x / np.sqrt(2))) / 2


@cache
def our_model(sharing: str, framework: str):
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    model = room.compile(make_spec(sharing), seed=0, dtype="float64")
    room.set_weights(model, draw_weights(sharing))
    return model


def run(sharing: str, framework: str, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    model = our_model(sharing, framework)
    if framework == "torch":
        with torch.no_grad():
            outputs = model(**{name: torch.from_numpy(value) for name, value in batch.items()})
    else:
        outputs = model({name: tf.constant(value) for name, value in batch.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def gap(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert np.isfinite(theirs).all()
    assert 0.1 < np.abs(theirs).max() < 100
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@each_framework
@each_sharing
@pytest.mark.parametrize("variant", ["full", "padded"])
def test_everything_equals_the_formulas_of_the_paper(sharing, framework, variant):
    """A padded row against the formulas of its example alone: padding adds nothing to the projected rows."""
    batch, paper = dict(draw_batch()), Paper(sharing)
    lengths = LENGTHS if variant == "padded" else (LENGTH,) * len(LENGTHS)
    if variant == "full":
        del batch["example_ids"]
    ours = run(sharing, framework, batch)
    for row, length in enumerate(lengths):
        x = paper.hidden_states(batch["input_ids"][row, :length])
        assert gap(ours["hidden_states"][row, :length], x) <= LIMIT
        assert gap(ours["masked_logits"][row], paper.logits(x)[batch["masked_positions"][row]]) <= LIMIT
    assert all(np.isfinite(value).all() for value in ours.values())


@each_framework
def test_each_way_to_share_gives_other_results(framework):
    """Of the same weights otherwise: a model that took the wrong projection would be seen."""
    batch = draw_batch()
    found = [run(sharing, framework, batch)["hidden_states"] for sharing in SHARING]
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            assert np.abs(one - other).max() > 1e-3


@each_framework
@each_sharing
def test_what_stands_in_padding_is_not_seen(sharing, framework):
    batch = draw_batch()
    padding = batch["example_ids"] == 0
    other = {**batch, "input_ids": np.where(padding, (batch["input_ids"] + 1) % ROWS, batch["input_ids"])}
    one, two = (run(sharing, framework, each)["hidden_states"][~padding] for each in (batch, other))
    assert np.array_equal(one, two)


def test_each_way_to_share_has_as_many_matrices_as_the_paper_says():
    """288, 24, 12 and 1 in a model of 12 layers and 12 heads (section 4)."""
    plain, one = 109_512_762, 512 * 256
    counts = {
        name: load_spec("linformer_base_shared_heads", list(changes)).graph().parameter_count
        for name, changes in {
            "none": ["model.sharing=none"],
            "heads": [],
            "key_value": ["model.sharing=key_value"],
            "layerwise": ["model.attention.kind=layerwise_linformer_attention"],
        }.items()
    }
    assert {name: (count - plain) / one for name, count in counts.items()} == {
        "none": 288, "heads": 24, "key_value": 12, "layerwise": 1,
    }  # fmt: skip


def test_a_graph_that_would_pack_rows_is_refused_by_the_block_s_name():
    values = {
        "model": {
            "kind": "graph",
            "bounds": {"sequence": LONGEST},
            "inputs": {
                "input_ids": {"shape": ("batch", "sequence"), "dtype": "int32"},
                "example_ids": {"shape": ("batch", "sequence"), "dtype": "int32", "optional": True},
                "positions": {"shape": ("batch", "sequence"), "dtype": "int32", "optional": True},
            },
            "nodes": {
                "embeddings": {
                    "block": {"kind": "embeddings", "rows": ROWS, "size": WIDTH},
                    "inputs": {"input_ids": "input_ids", "positions": "positions"},
                },
                "mixed": {
                    "block": {
                        "kind": "linformer_attention",
                        "num_heads": HEADS,
                        "size": PROJECTED,
                        "length": LONGEST,
                    },
                    "inputs": {"x": "embeddings", "example_ids": "example_ids"},
                },
            },
            "outputs": {"hidden_states": "mixed", "table": "embeddings.table"},
        },
        "task": {"kind": "representation"},
    }
    with pytest.raises(
        SpecError, match=r"linformer_attention 'mixed' cannot keep the examples of a packed row"
    ):
        ExperimentSpec.model_validate(values).graph()


def test_a_packed_batch_is_refused_before_a_framework_sees_it():
    graph, ids = make_spec("heads").graph(), draw_batch()["input_ids"]
    assert "positions" not in graph.inputs
    assert "pooled_positions" not in graph.inputs
    packed = {"input_ids": ids, "example_ids": np.ones_like(ids)}
    packed["example_ids"][1, 5:] = 2
    with pytest.raises(
        InputError, match=r"in row 1, and linformer_attention 'encoder.layers.0.attention' cannot"
    ):
        list(named_batches(open_feed([packed], {}), graph, labelled=False))


def test_a_sequence_longer_than_the_projection_is_refused():
    with pytest.raises(SpecError, match=rf"sequence is {LONGEST + 1}; .* at most {LONGEST}"):
        make_spec("heads").graph().bind(sequence=LONGEST + 1)


def test_layerwise_attention_outside_of_its_stack_is_refused():
    values = make_spec("heads").resolved()
    attention = {"kind": "layerwise_linformer_attention", "num_heads": HEADS, "size": 3, "length": 9}
    values["model"] = {"kind": "bert", "hidden_size": WIDTH, "attention": attention}
    values["task"] = {"kind": "representation"}
    values["data"] = {"kind": "generated"}
    with pytest.raises(SpecError, match="needs the projection that a linformer_stack owns"):
        ExperimentSpec.model_validate({key: values[key] for key in ("model", "task", "data")}).graph()


@pytest.mark.parametrize("kind", ["bert", "roberta", "ernie"])
def test_another_encoder_takes_this_attention_and_is_then_not_packed(kind):
    attention = {"kind": "linformer_attention", "size": 3, "length": LONGEST}
    model = {"kind": kind, "hidden_size": WIDTH, "num_heads": HEADS, "attention": attention}
    graph = ExperimentSpec.model_validate({"model": model, "task": {"kind": "representation"}}).graph()
    assert {"positions", "pooled_positions"}.isdisjoint(graph.inputs)


@each_sharing
def test_an_exported_program_takes_every_length_up_to_the_longest(sharing):
    """A cut that is contiguous at the full length only would fix the length."""
    model, batch = our_model(sharing, "torch"), draw_batch()
    given = {name: torch.from_numpy(value) for name, value in batch.items()}
    rows, sequence = torch.export.Dim("batch", min=1), torch.export.Dim("sequence", min=1, max=LONGEST)
    predictions = torch.export.Dim("predictions", max=LONGEST)
    sizes = {name: {0: rows, 1: sequence} for name in ("input_ids", "example_ids")}
    sizes["masked_positions"] = {0: rows, 1: predictions}
    program = torch.export.export(model, (), given, dynamic_shapes=sizes).module()
    for length in (5, LONGEST):
        ids = torch.arange(2 * length, dtype=torch.int32).reshape(2, length) % ROWS
        given = {"input_ids": ids, "example_ids": (ids > 0).int()}
        given["masked_positions"] = torch.tensor([[0], [3]], dtype=torch.int32)
        ours, exported = model(**given), program(**given)
        assert torch.allclose(ours["masked_logits"], exported["masked_logits"], rtol=0, atol=1e-12)
