"""Name tables run both ways: exact round trips, and refusals that name every tensor at fault."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch

from zoo_common.interop import from_foreign, from_transformers, to_foreign, to_transformers
from zoo_spec import load_spec
from zoo_spec.arrays import rounded
from zoo_spec.errors import InputError

SMALL = (
    "model.hidden_size=12",
    "model.num_layers=11",
    "model.num_heads=2",
    "model.intermediate_size=7",
    "model.vocab_size=13",
    "model.max_positions=5",
)
TASKS = ("representation", "masked_lm", "masked_lm_next_sentence")
SOURCES = ("transformers", "google-research/bert")


def spec_of(task="masked_lm_next_sentence", *more):
    return load_spec("bert_tiny", [*SMALL, f"task.kind={task}", *more])


def draw(spec):
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal(parameter.shape).astype(np.float32)
        for name, parameter in spec.graph().parameters().items()
    }


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("task", TASKS)
def test_weights_come_back_bit_for_bit(task, source):
    spec = spec_of(task)
    weights = draw(spec)
    back = from_foreign(spec, source, to_foreign(spec, source, weights))
    assert list(back) == list(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    assert all(array.dtype == np.float32 for array in back.values())


def test_the_prefix_stands_where_a_head_does_and_may_stand_elsewhere():
    weights = draw(spec_of("representation"))
    bare = to_transformers(spec_of("representation"), weights)
    assert "embeddings.word_embeddings.weight" in bare
    assert "encoder.layer.10.attention.output.LayerNorm.bias" in bare
    assert "bert.pooler.dense.weight" in to_transformers(spec_of(), draw(spec_of()))
    prefixed = from_transformers(
        spec_of("representation"), {f"bert.{name}": array for name, array in bare.items()}
    )
    assert all(np.array_equal(prefixed[name], weights[name]) for name in weights)


def test_google_kernels_are_transposed_and_the_next_sentence_matrix_is_not():
    weights = draw(spec_of())
    tensors = to_foreign(spec_of(), "google-research/bert", weights)
    assert np.array_equal(
        tensors["bert/encoder/layer_10/intermediate/dense/kernel"],
        weights["encoder.layers.10.feed_forward.inner.weight"].T,
    )
    assert np.array_equal(
        tensors["bert/encoder/layer_3/output/LayerNorm/gamma"],
        weights["encoder.layers.3.feed_forward_norm.weight"],
    )
    assert np.array_equal(
        tensors["cls/seq_relationship/output_weights"], weights["next_sentence.dense.weight"]
    )
    assert np.array_equal(tensors["bert/embeddings/word_embeddings"], weights["embeddings.token.weight"])


def test_every_unknown_and_missing_tensor_is_named_at_once():
    tensors = to_transformers(spec_of(), draw(spec_of()))
    del (
        tensors["bert.pooler.dense.bias"],
        tensors["cls.predictions.bias"],
        tensors["cls.predictions.decoder.bias"],
    )
    tensors |= {"bert.encoder.layer.11.output.dense.bias": np.zeros(12), "classifier.weight": np.zeros(3)}
    with pytest.raises(InputError) as refused:
        from_transformers(spec_of(), tensors)
    for name in (
        "bert.pooler.dense.bias",
        "cls.predictions.bias",
        "bert.encoder.layer.11.output.dense.bias",
        "classifier.weight",
        "bert_tiny",
    ):
        assert name in str(refused.value)


def test_a_head_that_the_task_does_not_have_is_refused():
    tensors = to_transformers(spec_of(), draw(spec_of()))
    with pytest.raises(InputError, match=r"unknown.*cls\.seq_relationship\.weight"):
        from_transformers(spec_of("masked_lm"), tensors)


def test_wrong_shapes_are_all_named_with_both():
    tensors = to_transformers(spec_of(), draw(spec_of()))
    tensors["bert.pooler.dense.weight"] = np.zeros((12, 3))
    tensors["bert.embeddings.LayerNorm.bias"] = np.zeros(())
    with pytest.raises(InputError) as refused:
        from_transformers(spec_of(), tensors)
    assert "bert.pooler.dense.weight gives pooler.dense.weight the shape [12, 3]" in str(refused.value)
    assert "this model has [12, 12]" in str(refused.value)
    assert "bert.embeddings.LayerNorm.bias" in str(refused.value)


@pytest.mark.parametrize("name", ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"])
def test_a_tied_tensor_may_be_missing_but_not_different(name):
    tensors = to_transformers(spec_of(), draw(spec_of()))
    without = {key: array for key, array in tensors.items() if key != name}
    assert from_transformers(spec_of(), without).keys() == draw(spec_of()).keys()
    tensors[name] = tensors[name].copy()
    tensors[name].flat[1] += np.float32(1e-6)
    with pytest.raises(InputError, match=f"{name} must follow from .* 1 of "):
        from_transformers(spec_of(), tensors)


@pytest.mark.parametrize("task", TASKS)
def test_the_position_buffer_of_old_checkpoints_must_count(task):
    spec = spec_of(task)
    tensors = to_transformers(spec, draw(spec))
    name = "embeddings.position_ids" if task == "representation" else "bert.embeddings.position_ids"
    assert name not in tensors
    from_transformers(spec, tensors | {name: np.arange(5)[None]})
    for wrong in (np.arange(5)[None, ::-1], np.arange(6)[None], np.full((1, 5), np.nan)):
        with pytest.raises(InputError, match="position_ids must follow from embeddings"):
            from_transformers(spec, tensors | {name: wrong})


def test_old_spellings_of_norms_are_read_but_not_beside_the_new():
    weights = draw(spec_of())
    tensors = to_transformers(spec_of(), weights)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in tensors.items()
    }
    assert old.keys() != tensors.keys()
    read = from_transformers(spec_of(), old)
    assert all(np.array_equal(read[name], weights[name]) for name in weights)
    both = tensors | {"bert.embeddings.LayerNorm.gamma": np.zeros(12, np.float32)}
    with pytest.raises(InputError, match=r"given twice.*bert\.embeddings\.LayerNorm\.weight"):
        from_transformers(spec_of(), both)


def test_weights_that_are_not_the_model_s_are_not_written():
    weights = draw(spec_of())
    with pytest.raises(InputError, match="unknown: extra"):
        to_transformers(spec_of(), weights | {"extra": np.zeros(1)})
    with pytest.raises(InputError, match=r"pooler\.dense\.bias.*\[4\].*\[12\]"):
        to_transformers(spec_of(), weights | {"pooler.dense.bias": np.zeros(4)})


def test_a_model_that_the_source_does_not_have_is_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"kind 'graph'.*no names in transformers .*bert.*set_weights"):
        to_transformers(load_spec("causal_lm"), {})
    with pytest.raises(InputError, match=r"no table of names in 'fairseq'; it has transformers"):
        from_foreign(spec_of(), "fairseq", {})
    gated = load_spec("bert_tiny", ["model.feed_forward.kind=gated_feed_forward"])
    with pytest.raises(InputError, match=r"no name for encoder\.layers\.0\.feed_forward\.gate\.weight"):
        from_transformers(gated, {})


def half_bert():
    spec = load_spec("bert_tiny", [*SMALL[:5], "model.max_positions=300", "task.kind=representation"])
    wide = to_transformers(spec, draw(spec))
    wide["embeddings.position_ids"] = np.arange(300, dtype=np.float32)[None]  # 257 is no bfloat16 number.
    return spec, {name: torch.from_numpy(array) for name, array in wide.items()}


@pytest.mark.parametrize(
    "made",
    [
        lambda wide: wide.bfloat16(),
        lambda wide: torch.nn.Parameter(wide.bfloat16()),
        lambda wide: wide.bfloat16().float().numpy().astype(ml_dtypes.bfloat16),
        lambda wide: torch.nn.Parameter(wide),
        lambda wide: wide.half(),
        lambda wide: wide.numpy().astype(">f4"),
    ],
    ids=["bfloat16", "bfloat16 parameter", "bfloat16 array", "parameter", "float16", "big-endian"],
)
def test_checkpoints_of_any_width_and_parameters_give_the_values_that_they_hold(made):
    spec, wide = half_bert()
    given = {name: made(tensor) for name, tensor in wide.items()}
    read = from_transformers(spec, given)
    plain = {
        name: value.astype(np.float32) if isinstance(value, np.ndarray) else value.detach().float().numpy()
        for name, value in given.items()
    }
    expected = from_transformers(spec, {name: plain[name] for name in plain if "ids" not in name})
    assert list(read) == list(expected)
    for name, array in read.items():
        assert array.dtype == (np.float16 if array.dtype.itemsize == 2 else np.float32)
        assert np.array_equal(array.astype(np.float32), expected[name])


def test_rounding_to_bfloat16_is_torchs():
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32) * 1e4
    values = np.concatenate([values, np.float32([257, 259, -1e4, 0, -0.0, 3e38])])
    assert np.array_equal(rounded(values, "bfloat16"), torch.from_numpy(values).bfloat16().float().numpy())


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.empty(12, device="meta"), r"pooler\.dense\.bias: a Tensor of float32 gives no array: .*meta"),
        (np.array(["a"] * 12), r"pooler\.dense\.bias: a ndarray of <U1 is no array of numbers"),
        (torch.ones(12, dtype=torch.int8), r"pooler\.dense\.bias holds int8, which is no float"),
        (np.ones(12, np.complex64), r"pooler\.dense\.bias holds complex64, which is no float"),
    ],
)
def test_what_holds_no_floats_is_refused_by_name(tensor, message):
    tensors = to_transformers(spec_of(), draw(spec_of()))
    with pytest.raises(InputError, match=message):
        from_transformers(spec_of(), tensors | {"bert.pooler.dense.bias": tensor})


def decoder_of(task):
    return load_spec("gpt2_tiny", [*SMALL[:5], "model.max_positions=300", f"task.kind={task}"])


def test_gpt2_is_read_as_it_is_published_without_prefix_and_with_buffers_of_its_files_width():
    spec = decoder_of("causal_lm")
    weights = draw(spec)
    bare = {
        name.removeprefix("transformer."): array for name, array in to_transformers(spec, weights).items()
    }
    del bare["lm_head.weight"]
    past = np.tril(np.ones((1, 1, 300, 300), np.float32))
    for layer in range(11):
        bare |= {f"h.{layer}.attn.bias": past, f"h.{layer}.attn.masked_bias": np.float32(-1e4)}
    read = from_transformers(spec, bare)
    assert all(np.array_equal(read[name], weights[name]) for name in weights)
    half = {name: torch.as_tensor(array).bfloat16() for name, array in bare.items()}
    assert from_transformers(spec, half).keys() == weights.keys()
    with pytest.raises(InputError, match=r"h\.3\.attn\.bias must follow from"):
        from_transformers(spec, bare | {"h.3.attn.bias": np.ones_like(past)})


def test_a_tied_head_may_be_given_to_a_model_without_one_but_not_a_different_one():
    spec = decoder_of("representation")
    tensors = to_transformers(spec, draw(spec))
    assert "lm_head.weight" not in tensors
    from_transformers(spec, tensors | {"lm_head.weight": tensors["wte.weight"]})
    with pytest.raises(InputError, match=r"lm_head\.weight must follow from embeddings\.token\.weight"):
        from_transformers(spec, tensors | {"lm_head.weight": tensors["wte.weight"] + 1})


def test_t5_is_read_with_the_bias_that_its_files_have_and_nothing_reads():
    spec = load_spec(
        "t5_tiny", ["model.hidden_size=12", "model.num_heads=2", "model.head_size=6", "model.vocab_size=13"]
    )
    tensors = to_transformers(spec, draw(spec))
    extra = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    assert extra not in tensors
    read = from_transformers(spec, tensors | {extra: np.ones((32, 2))})
    assert all(np.array_equal(read[name], array) for name, array in draw(spec).items())
    with pytest.raises(InputError, match=r"unknown.*block\.1\.layer\.1\.EncDecAttention\.relative"):
        from_transformers(spec, tensors | {extra.replace("block.0", "block.1"): np.ones((32, 2))})


@pytest.mark.parametrize("convert", [from_transformers, to_transformers])
def test_a_head_that_the_source_computes_otherwise_whatever_its_configuration_is_refused(convert):
    with pytest.raises(
        InputError, match=r"masked_lm computes with the activation relu, .* always with gelu_erf"
    ):
        convert(load_spec("roberta_tiny", ["model.activation=relu"]), {})
    without = load_spec("roberta_tiny", ["model.activation=relu", "task={kind: representation}"])
    weights = draw(without)
    config = {"hidden_act": "relu", "layer_norm_eps": 1e-5}
    assert from_transformers(without, to_transformers(without, weights), config).keys() == weights.keys()


def test_what_weights_do_not_say_is_refused_beside_a_configuration_and_said_without_one(caplog):
    spec = load_spec("vit_tiny")
    tensors = to_transformers(spec, draw(spec))
    caplog.clear()
    from_transformers(spec, tensors)
    (line,) = [record.message for record in caplog.records]
    assert "model.activation is gelu_tanh, and hidden_act there gelu_erf" in line
    assert "model.layer_norm_epsilon is 1e-06, and layer_norm_eps there 1e-12" in line
    with pytest.raises(InputError, match=r"hidden_act there gelu_erf; set these"):
        from_transformers(spec, tensors, {"hidden_act": "gelu", "layer_norm_eps": 1e-6})
    caplog.clear()
    from_transformers(spec, tensors, {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6})
    erf = load_spec("vit_tiny", ["model.activation=gelu_erf", "model.layer_norm_epsilon=1e-12"])
    from_transformers(erf, tensors)
    for name in ("bert_tiny", "roberta_tiny", "gpt2_tiny", "gptj_tiny", "gpt_neox_tiny", "hubert_tiny"):
        usual = load_spec(name)
        from_transformers(usual, to_transformers(usual, draw(usual)))
    assert not caplog.records


def test_a_body_without_the_head_says_how_to_begin_with_a_new_one_and_that_works():
    spec = load_spec("bert_tiny_classification", SMALL)
    body = load_spec("bert_tiny_classification", [*SMALL, "task={kind: representation}"])
    tensors = to_transformers(body, draw(body))
    for given in (tensors, {f"bert.{name}": array for name, array in tensors.items()}):
        with pytest.raises(InputError, match=r"a head is not.*task\.kind=representation.*set_weights"):
            from_transformers(spec, given)
    weights = {**draw(spec), **from_transformers(body, tensors)}
    assert weights.keys() == draw(spec).keys()
    with pytest.raises(InputError) as refused:
        from_transformers(spec, {name: tensors[name] for name in list(tensors)[3:]})
    assert "a head is not" not in str(refused.value)
