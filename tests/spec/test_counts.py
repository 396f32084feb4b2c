"""Parameter counts, from the spec layer alone: published models, and ``transformers`` at random shapes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec

REPRESENTATION, MASKED_LM = "task.kind=representation", "task.kind=masked_lm"

# Counted by building the transformers class of each, tied tensors once.
PUBLISHED = [
    ("bert_base", (), 110_106_428),
    ("bert_base", (REPRESENTATION,), 109_482_240),
    ("bert_base", (MASKED_LM,), 109_514_298),
    ("bert_base", ("model.vocab_size=28996",), 108_932_934),
    ("bert_base", ("model.vocab_size=28996", REPRESENTATION), 108_310_272),
    ("bert_base", ("model.vocab_size=21128", REPRESENTATION), 102_267_648),
    ("bert_base", ("model.vocab_size=119547", REPRESENTATION), 177_853_440),
    ("bert_large", (), 336_226_108),
    ("bert_large", (REPRESENTATION,), 335_141_888),
    ("bert_large", (MASKED_LM,), 335_174_458),
    ("bert_large", ("model.vocab_size=28996", REPRESENTATION), 333_579_264),
    ("bert_tiny", ("model.vocab_size=30522", REPRESENTATION), 4_385_920),
    ("mnist_fc", (), 545_810),
    ("mnist_fc_deep", (), 62_710),
]
GPT3_175B = """
model:
  kind: graph
  bounds: {sequence: 2048}
  inputs:
    input_ids: {shape: [batch, sequence], dtype: int32}
  nodes:
    embeddings:
      block: {kind: embeddings, rows: 50257, size: 12288, position: {kind: learned_positions, size: 2048}}
      inputs: input_ids
    decoder:
      block:
        kind: stack
        num_layers: 96
        norm: {kind: layer_norm, epsilon: 1e-5}
        layer:
          kind: pre_norm_layer
          attention: {kind: attention, num_heads: 96, mask: causal}
          feed_forward: {kind: feed_forward, size: 49152, activation: gelu_tanh}
          norm: {kind: layer_norm, epsilon: 1e-5}
      inputs: embeddings
  outputs: {hidden_states: decoder, table: embeddings.table}
task: {kind: causal_lm}
"""


@pytest.mark.parametrize(
    ("name", "overrides", "count"),
    PUBLISHED,
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_published_models_have_their_published_counts(name, overrides, count):
    assert load_spec(name, list(overrides)).graph().parameter_count == count


@pytest.mark.parametrize("seed", range(10))
def test_random_shapes_have_the_count_of_transformers(seed):
    import torch
    import transformers

    rng = np.random.default_rng(seed)
    heads = int(rng.integers(1, 9))
    model = {
        "hidden_size": heads * int(rng.integers(1, 40)),
        "num_layers": int(rng.integers(1, 6)),
        "num_heads": heads,
        "intermediate_size": int(rng.integers(1, 500)),
        "vocab_size": int(rng.integers(1, 40_000)),
        "max_positions": int(rng.integers(1, 1000)),
        "type_vocab_size": int(rng.integers(1, 5)),
    }
    task, reference = [
        ("representation", "BertModel"),
        ("masked_lm", "BertForMaskedLM"),
        ("masked_lm_next_sentence", "BertForPreTraining"),
    ][seed % 3]
    spec = ExperimentSpec.model_validate({"model": {"kind": "bert", **model}, "task": {"kind": task}})
    theirs = {"num_layers": "num_hidden_layers", "num_heads": "num_attention_heads"}
    theirs["max_positions"] = "max_position_embeddings"
    config = transformers.BertConfig(
        **{theirs.get(name, name): value for name, value in model.items()}, pad_token_id=None
    )
    with torch.device("meta"):
        built = getattr(transformers, reference)(config)
    assert spec.graph().parameter_count == sum(parameter.numel() for parameter in built.parameters())


def test_a_model_of_175_billion_parameters_is_described_without_allocating_it(tmp_path):
    path = tmp_path / "gpt3_175b.yaml"
    path.write_text(GPT3_175B, encoding="utf-8")
    tracemalloc.start()
    try:
        graph = load_spec(path).graph()
        count, cost = graph.parameter_count, graph.cost(batch=1, sequence=2048)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 174_604_259_328
    assert cost.bytes["weights"] == 4 * count
    layers, width, length, rows = 96, 12288, 2048, 50257
    matrices = layers * 12 * width**2 + rows * width
    assert cost.flops == 2 * length * matrices + layers * 4 * length**2 * width
    assert peak < 8 * 2**20, f"{peak / 2**20:.1f} MiB"
