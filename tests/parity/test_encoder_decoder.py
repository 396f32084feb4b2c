"""Encoders and decoders in both frameworks: against ``torch.nn``'s own layers, with padding and packed rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn
from transformers.models.t5.modeling_t5 import T5Attention

import zoo_tf
import zoo_torch
from zoo_common.parity.probes import probe_weights
from zoo_spec import load_spec
from zoo_spec.blocks.attention import Attention
from zoo_spec.blocks.cross_attention import CrossAttention
from zoo_spec.blocks.decoder_layer import PostNormDecoderLayer, PreNormDecoderLayer
from zoo_spec.blocks.feed_forward import FeedForward
from zoo_spec.blocks.norm import LayerNorm
from zoo_spec.blocks.relative_position import bucket_table
from zoo_spec.blocks.sinusoidal import sinusoids
from zoo_spec.errors import SpecError
from zoo_spec.graph import Graph, GraphBuilder
from zoo_spec.shrink import shrunk
from zoo_spec.tensors import INT, TensorSpec

LIMIT = 1e-10
WIDTH, HEADS, INNER = 12, 3, 20
FRAMEWORKS = {"torch": zoo_torch, "tf": zoo_tf}
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors this small wait for threads a hundred times longer than they compute on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(framework: str, model, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if framework == "tf":
        found = model({name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in found.items()}
    found = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    return {name: value.detach().numpy() for name, value in found.items()}


def gap(found: np.ndarray, wanted: np.ndarray) -> float:
    return np.abs(found - wanted).max() / np.abs(wanted).max()


def layer_graph(kind) -> Graph:
    graph = GraphBuilder("layer")
    x = graph.input("x", TensorSpec(("batch", "target_sequence", WIDTH)))
    memory = graph.input("memory", TensorSpec(("batch", "sequence", WIDTH)))
    example_ids, memory_example_ids = (
        graph.input(name, TensorSpec(("batch", length), INT, optional=True))
        for name, length in (("example_ids", "target_sequence"), ("memory_example_ids", "sequence"))
    )
    layer = kind(
        attention=Attention(num_heads=HEADS, mask="causal"),
        cross_attention=CrossAttention(num_heads=HEADS),
        feed_forward=FeedForward(size=INNER, activation="relu"),
        norm=LayerNorm(epsilon=3e-3),
    )
    graph.output(
        "y",
        graph.add("layer", layer, x, memory, example_ids=example_ids, memory_example_ids=memory_example_ids),
    )
    return graph.finish()


def native_layer(weights: dict[str, np.ndarray], *, norm_first: bool) -> nn.Module:
    layer = nn.TransformerDecoderLayer(
        WIDTH,
        HEADS,
        INNER,
        dropout=0.0,
        layer_norm_eps=3e-3,
        batch_first=True,
        norm_first=norm_first,
        dtype=torch.float64,
    )
    state = {}
    for ours, theirs in (("attention", "self_attn"), ("cross_attention", "multihead_attn")):
        for leaf in ("weight", "bias"):
            parts = [weights[f"layer.{ours}.{part}.{leaf}"] for part in ("query", "key", "value")]
            state[f"{theirs}.in_proj_{leaf}"] = np.concatenate(parts)
            state[f"{theirs}.out_proj.{leaf}"] = weights[f"layer.{ours}.project.{leaf}"]
    pairs = {
        "feed_forward.inner": "linear1",
        "feed_forward.outer": "linear2",
        "attention_norm": "norm1",
        "cross_attention_norm": "norm2",
        "feed_forward_norm": "norm3",
    }
    for ours, theirs in pairs.items():
        for leaf in ("weight", "bias"):
            state[f"{theirs}.{leaf}"] = weights[f"layer.{ours}.{leaf}"]
    layer.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()}, strict=True)
    return layer.eval()


@each_framework
@pytest.mark.parametrize("kind", [PostNormDecoderLayer, PreNormDecoderLayer])
def test_a_decoder_layer_is_torchs_own(kind, framework):
    graph = layer_graph(kind)
    weights = probe_weights(graph, 3)
    model = FRAMEWORKS[framework].compile(graph, dtype="float64")
    FRAMEWORKS[framework].set_weights(model, weights)
    rng = np.random.default_rng(5)
    x, memory = rng.standard_normal((2, 7, WIDTH)), rng.standard_normal((2, 9, WIDTH))
    real = np.arange(9) < np.array([[9], [5]])
    found = run(
        framework,
        model,
        {"x": x, "memory": memory, "memory_example_ids": real.astype(np.int32)},
    )["y"]
    with torch.no_grad():
        wanted = native_layer(weights, norm_first=kind is PreNormDecoderLayer)(
            torch.from_numpy(x),
            torch.from_numpy(memory),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.float64),
            memory_key_padding_mask=torch.from_numpy(~real),
        ).numpy()
    assert gap(found, wanted) < LIMIT


@cache
def small_model(name: str, framework: str):
    graph = shrunk(load_spec(name)).graph()
    model = FRAMEWORKS[framework].compile(graph, dtype="float64")
    FRAMEWORKS[framework].set_weights(model, probe_weights(graph, 1))
    return graph, model


def two_examples() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    return [
        {
            "input_ids": rng.integers(0, 61, (1, source)),
            "decoder_input_ids": rng.integers(0, 61, (1, target)),
            "labels": rng.integers(0, 61, (1, target)),
            "label_weights": np.ones((1, target)),
        }
        for source, target in ((7, 5), (4, 8))
    ]


def packed(examples: list[dict[str, np.ndarray]], graph: Graph, padding: int) -> dict[str, np.ndarray]:
    """The examples in one row, then padding."""
    row = {name: np.concatenate([example[name] for example in examples], 1) for name in examples[0]}
    for prefix, ids in (("", "input_ids"), ("decoder_", "decoder_input_ids")):
        lengths = [example[ids].shape[1] for example in examples]
        row[f"{prefix}example_ids"] = np.repeat(np.arange(len(lengths)) + 1, lengths)[None]
        row[f"{prefix}positions"] = np.concatenate([np.arange(length) for length in lengths])[None]
    row = {name: np.pad(value, ((0, 0), (0, padding))) for name, value in row.items()}
    return {name: typed(value) for name, value in row.items() if name in graph.inputs}


def typed(value: np.ndarray) -> np.ndarray:
    return value if value.dtype == np.float64 else value.astype(np.int32)


@each_framework
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("name", ["t5_tiny", "t5_v1_1_small", "transformer_tiny"])
def test_packed_examples_give_what_they_give_alone(name, padding, framework):
    """A target reads its own source alone; padding that has no source to read, as where there is none, is no harm."""
    graph, model = small_model(name, framework)
    examples = two_examples()
    alone = [run(framework, model, {key: typed(value) for key, value in each.items()}) for each in examples]
    together = run(framework, model, packed(examples, graph, padding))
    logits = np.concatenate([each["logits"] for each in alone], 1)
    count = logits.shape[1]
    assert gap(together["logits"][:, :count], logits) < LIMIT
    part = next(each for each in alone[0] if each.endswith("_numerator"))
    assert np.isfinite(together["logits"]).all()
    assert gap(together[part], sum(each[part] for each in alone)) < LIMIT
    swapped = packed(examples, graph, padding)
    swapped["decoder_example_ids"] = np.where(
        swapped["decoder_example_ids"] > 0, 3 - swapped["decoder_example_ids"], 0
    ).astype(np.int32)
    other = run(framework, model, swapped)["logits"][:, :count]
    assert gap(other, logits) > 1e-3, "a target that reads the other's source gives something else"


@each_framework
def test_who_has_no_memory_reads_zeros(framework):
    graph = layer_graph(PreNormDecoderLayer)
    model = FRAMEWORKS[framework].compile(graph, dtype="float64")
    FRAMEWORKS[framework].set_weights(model, probe_weights(graph, 3))
    rng = np.random.default_rng(5)
    given = {"x": rng.standard_normal((1, 4, WIDTH)), "example_ids": np.array([[1, 1, 2, 0]], np.int32)}
    given["memory_example_ids"] = np.ones((1, 6), np.int32)
    one, other = (
        run(framework, model, {**given, "memory": rng.standard_normal((1, 6, WIDTH))})["y"] for _ in range(2)
    )
    assert np.array_equal(one[:, 2:], other[:, 2:])
    assert np.abs(one[:, :2] - other[:, :2]).max() > 1e-3
    assert np.isfinite(one).all()


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (10, 9), (16, 100), (4, 7)])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_buckets_are_those_of_transformers(num_buckets, max_distance, bidirectional):
    distances = torch.arange(-max_distance, max_distance + 1)
    theirs = T5Attention._relative_position_bucket(distances, bidirectional, num_buckets, max_distance)
    assert bucket_table(num_buckets, max_distance, bidirectional=bidirectional) == theirs.tolist()


def test_sinusoids_are_the_papers():
    """``PE(pos, 2i) = sin(pos / 10000^(2i / d))``, and the cosine at ``2i + 1`` (Vaswani et al., 2017, 3.5)."""
    width, size = 10, 7
    table = sinusoids(size, width, "interleaved")
    for place in range(size):
        for i in range(width // 2):
            angle = place / 10000 ** (2 * i / width)
            assert table[place, 2 * i] == pytest.approx(np.sin(angle), abs=1e-15)
            assert table[place, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-15)
    assert np.array_equal(
        sinusoids(size, width, "halves"), np.concatenate([table[:, ::2], table[:, 1::2]], 1)
    )


def test_closed_sinusoids_reach_the_longest_wavelength_and_count_from_where_they_are_told():
    """fairseq: ``exp(-j * ln(10000) / (n - 1))`` for ``n`` pairs, and the first position is 2."""
    table = sinusoids(7, 10, "halves", 2, "closed")
    for place in range(7):
        for j in range(5):
            angle = (place + 2) * np.exp(-j * np.log(10000) / 4)
            assert table[place, j] == pytest.approx(np.sin(angle), abs=1e-14)
            assert table[place, 5 + j] == pytest.approx(np.cos(angle), abs=1e-14)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("bert_tiny", ["task.kind=sequence_to_sequence_lm"], "needs decoder_states"),
        ("t5_tiny", ["task.kind=causal_lm"], "predicts each next token"),
        ("t5_tiny", ["model.decoder_attention.mask=bidirectional"], "predicts each next token"),
        ("transformer_tiny", ["model.decoder_attention.mask=bidirectional"], "predicts each next token"),
        ("transformer_tiny", ["model.hidden_size=63", "model.num_heads=3"], "needs an even width"),
        ("t5_tiny", ["model.position.num_heads=3", "model.attention.num_heads=2"], "position_bias is for 3"),
        ("t5_tiny", ["model.position.num_buckets=7"], "needs an even number of buckets"),
        ("t5_tiny", ["model.position.max_distance=8"], "must be larger"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, overrides, message):
    with pytest.raises(SpecError, match=message):
        load_spec(name, overrides).graph()


def test_a_task_without_targets_gets_the_encoder_alone():
    for name in ("t5_tiny", "transformer_tiny"):
        graph = load_spec(name, ["task.kind=representation"]).graph()
        assert "decoder_input_ids" not in graph.inputs
        assert not any(parameter.startswith("decoder") for parameter in graph.parameters())
