"""Parameter counts, from the spec layer alone: published models, and ``transformers`` at random shapes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec

REPRESENTATION, MASKED_LM = "task.kind=representation", "task.kind=masked_lm"
WITHOUT_BIASES = tuple(
    f"model.{slot}.bias=false" for slot in ("attention", "decoder_attention", "cross_attention")
)

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
    ("bert_base_mnli", (), 109_484_547),
    ("bert_base_sst2", (), 109_483_778),
    ("bert_base_squad", (), 108_893_186),
    ("bert_base_ner", (), 107_726_601),
    ("bert_base_summarization", (), 108_892_417),
    ("bert_large_mnli", (), 335_144_963),
    ("bert_large_sst2", (), 335_143_938),
    ("bert_large_squad", (), 334_094_338),
    ("bert_large_ner", (), 332_538_889),
    ("bert_large_summarization", (), 334_093_313),
    ("gpt2_small", (), 124_439_808),
    ("gpt2_medium", (), 354_823_168),
    ("gpt2_large", (), 774_030_080),
    ("gpt2_xl", (), 1_557_611_200),
    ("gptj_6b", (), 6_050_882_784),
    ("gptj_6b_summarization", (), 6_050_882_784),
    ("gpt_neox_20b", (), 20_554_567_680),
    # By formula: two tables, 12 matrices of the width squared and 13 vectors a layer, and the last norm.
    ("gpt_neox_small", (), 2 * 50_304 * 768 + 12 * (12 * 768**2 + 13 * 768) + 2 * 768),
    ("gpt_neox_1p3b", (), 2 * 50_304 * 2048 + 24 * (12 * 2048**2 + 13 * 2048) + 2 * 2048),
    ("gpt_neox_2p7b", (), 2 * 50_304 * 2560 + 32 * (12 * 2560**2 + 13 * 2560) + 2 * 2560),
    ("gpt3_125m", (), 125_226_240),
    ("gpt3_125m", ("model.layer_pattern=[dense]",), 125_226_240),
    ("gpt3_350m", (), 355_871_744),
    ("gpt3_760m", (), 760_300_032),
    ("gpt3_1p3b", (), 1_315_723_264),
    ("gpt3_2p7b", (), 2_651_553_280),
    ("gpt3_6p7b", (), 6_658_404_352),
    ("gpt3_13b", (), 12_853_386_240),
    ("gpt3_20b", (), 20_256_221_184),
    ("gpt3_175b", (), 174_604_259_328),
    ("minilm_l6", (), 22_713_216),
    ("pubmedbert_base", (), 110_106_428),
    ("pubmedbert_large", (), 336_226_108),
    ("roberta_base", (), 124_697_433),
    ("roberta_base", (REPRESENTATION,), 124_645_632),
    ("roberta_large", (), 355_412_057),
    ("roberta_large", (REPRESENTATION,), 355_359_744),
    ("ernie_1_base", (), 99_866_112),
    ("ernie_2_base", (), 109_496_064),
    ("ernie_2_base", ("model.task_type_vocab_size=0",), 109_483_776),
    ("ernie_2_large", (), 335_143_936),
    ("ernie_3_base", (), 117_944_832),
    ("ernie_3_base", ("model.task_type_vocab_size=16",), 117_954_816),
    ("ernie_3_xbase", (), 296_053_760),
    ("ernie_3_medium", (), 75_427_584),
    ("ernie_3_mini", (), 26_949_504),
    # By formula: the encoder and its masked-LM head, and k by 512 for each projection; the paper has no biases there.
    ("linformer_base_shared_heads", (), 109_512_762 + 12 * 2 * 256 * 512),
    ("linformer_base_shared_kv", (), 109_512_762 + 12 * 256 * 512),
    ("linformer_base_shared_heads", ("model.projected_size=128",), 109_512_762 + 1_572_864),
    ("linformer_base_shared_kv", ("model.projected_size=128",), 109_512_762 + 786_432),
    ("linformer_large_shared_heads", (), 335_172_410 + 24 * 2 * 128 * 512),
    ("linformer_large_shared_kv", (), 335_172_410 + 24 * 128 * 512),
    ("hubert_base", (), 94_371_712),
    ("hubert_base_ctc", (), 94_396_320),
    ("hubert_large", (), 315_438_720),
    ("hubert_large_ctc", (), 315_471_520),
    ("hubert_xlarge", (), 962_497_408),
    ("t5_small", (), 60_506_624),
    ("t5_base", (), 222_903_552),
    ("t5_large", (), 737_668_096),
    ("t5_3b", (), 2_851_598_336),
    ("t5_11b", (), 11_307_321_344),
    ("t5_v1_1_small", (), 76_961_152),
    ("t5_v1_1_base", (), 247_577_856),
    ("t5_v1_1_large", (), 783_150_080),
    ("t5_v1_1_xl", (), 2_849_757_184),
    ("t5_v1_1_xxl", (), 11_135_332_352),
    ("transformer_base", (), 63_082_496),
    ("transformer_big", (), 214_245_376),
    ("transformer_base", WITHOUT_BIASES, 63_045_632),
    ("transformer_big", WITHOUT_BIASES, 214_171_648),
    ("vit_b16", (), 86_567_656),
    ("vit_b16", (REPRESENTATION,), 85_798_656),
    ("vit_b32", (), 88_224_232),
    ("vit_b32", (REPRESENTATION,), 87_455_232),
    ("vit_l16", (), 304_326_632),
    ("vit_l16", (REPRESENTATION,), 303_301_632),
    ("vit_l32", (), 306_535_400),
    ("vit_l32", (REPRESENTATION,), 305_510_400),
    ("vit_h14", (), 632_045_800),
    ("vit_h14", (REPRESENTATION,), 630_764_800),
    # By formula, from the widths: convolutions, biases, and 2,816 and 12,032 values of norms.
    ("unet_classic", (), 31_030_658),
    ("unet_classic", ("model.channels=3", "task.kind=binary_segmentation"), 31_031_745),
    ("unet_dagm", (), 1_925_025),
    ("unet_severstal", ("model.norm=null",), 1_925_025),
    ("unet_severstal", ("model.bias=true",), 1_925_025 + 2_816),
    # Where a batch norm follows, there is no bias: 1,408 values.
    ("unet_severstal", (), 1_925_025 + 2_816 - 1_408),
    ("unet_inria", (), 31_093_921 + 12_032),
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
