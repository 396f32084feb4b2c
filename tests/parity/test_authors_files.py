"""The files of fairseq and Paddle, made here as those write them: imported, they compute what ``transformers`` does.

Weights are of order one and drawn value by value, so that a transposed matrix, a row in another's place or a slice in
the wrong order shows. The names on the way there are written out here again, and not taken from the tables.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.models.fsmt import modeling_fsmt

import zoo_tf
import zoo_torch
from zoo_common.checkpoint import CheckpointStore
from zoo_common.published import Imported, import_published
from zoo_common.training.run_directory import RunDirectory
from zoo_spec.errors import InputError

LIMIT = 1e-10
Tensors = dict[str, torch.Tensor]


class Dictionary:
    """What fairseq pickles as ``fairseq.data.dictionary.Dictionary``."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self.indices = {symbol: index for index, symbol in enumerate(symbols)}


def redraw(model: torch.nn.Module) -> torch.nn.Module:
    """Everything drawn anew: matrices such that what they give is of order one, lest softmax saturate."""
    generator = torch.Generator().manual_seed(5)
    model = model.double().eval()
    for name, parameter in model.named_parameters():
        scale = 1.5 / parameter.shape[-1] ** 0.5 if parameter.dim() > 1 and "embed" not in name else 1.0
        drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = scale * drawn
    return model


def outputs(
    imported: Imported, inputs: Mapping[str, np.ndarray], framework: str = "torch"
) -> dict[str, np.ndarray]:
    saved = CheckpointStore(RunDirectory(imported.directory).checkpoints).latest_weights()
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    model = room.compile(imported.spec, dtype="float64")
    room.set_weights(model, saved.weights())
    if framework == "tf":
        return {name: np.asarray(value) for name, value in model(dict(inputs)).items()}
    with torch.no_grad():
        given = {name: torch.from_numpy(value) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in model(**given).items()}


def same(found: np.ndarray, wanted: torch.Tensor) -> None:
    values = wanted.detach().numpy()
    assert np.std(values) > 0.05
    assert np.abs(found - values).max() <= LIMIT * np.abs(values).max()


def fused(tensors: Tensors) -> Tensors:
    """Queries, keys and values as one, as fairseq had them up to 2019."""
    result: Tensors = {}
    for name, tensor in tensors.items():
        if re.search(r"\.[kv]_proj\.", name):
            continue
        if ".q_proj." in name:
            parts = [tensors[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            name, tensor = name.replace("q_proj.", "in_proj_"), torch.cat(parts)
        result[name] = tensor
    return result


# --- HuBERT ---

SAMPLES = 215
CONVOLUTIONS = {"conv_dim": [7, 12, 10], "conv_kernel": [7, 4, 3], "conv_stride": [3, 2, 2]}
HUBERT = {
    **CONVOLUTIONS,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 3,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 83,
    "attn_implementation": "sdpa",
}
BASE, LARGE = {"feat_extract_norm": "group"}, {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def hubert_names(tensors: Tensors, *, large: bool, form: str = "weight_g") -> Tensors:
    norm = "2.1" if large else "2"
    pairs = [
        (r"masked_spec_embed", "mask_emb"),
        (r"feature_extractor\.conv_layers\.(\d+)\.conv\.", r"feature_extractor.conv_layers.\1.0."),
        (
            r"feature_extractor\.conv_layers\.(\d+)\.layer_norm\.",
            rf"feature_extractor.conv_layers.\1.{norm}.",
        ),
        (r"feature_projection\.layer_norm\.", "layer_norm."),
        (r"feature_projection\.projection\.", "post_extract_proj."),
        (
            r"encoder\.pos_conv_embed\.conv\.parametrizations\.weight\.original0",
            "encoder.pos_conv.0.weight_g",
        ),
        (
            r"encoder\.pos_conv_embed\.conv\.parametrizations\.weight\.original1",
            "encoder.pos_conv.0.weight_v",
        ),
        (r"encoder\.pos_conv_embed\.conv\.bias", "encoder.pos_conv.0.bias"),
        (r"(encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
        (r"(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
        (r"(encoder\.layers\.\d+)\.feed_forward\.intermediate_dense\.", r"\1.fc1."),
        (r"(encoder\.layers\.\d+)\.feed_forward\.output_dense\.", r"\1.fc2."),
    ]
    result = {}
    for name, tensor in tensors.items():
        for pattern, new in pairs:
            name = re.sub(f"^{pattern}", new, name)
        result[name] = tensor
    return result


def hubert_settings(*, large: bool, features: int = 10) -> dict[str, Any]:
    model = {
        "_name": "hubert",
        "extractor_mode": "layer_norm" if large else "default",
        "conv_feature_layers": f"[(7, 7, 3)] + [(12, 4, 2)] + [({features}, 3, 2)] * 1",
        "conv_bias": False,
        "conv_pos": 8,
        "conv_pos_groups": 3,
        "encoder_embed_dim": 48,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_embed_dim": 83,
        "layer_norm_first": large,
        "activation_fn": "gelu",
        "final_dim": 11,
        "logit_temp": 0.1,
        "untie_final_proj": False,
        "dropout_input": 0.1,
    }
    return {"model": model, "task": {"_name": "hubert_pretraining", "normalize": large, "sample_rate": 16000}}


def waveforms() -> dict[str, np.ndarray]:
    return {"waveform": np.random.default_rng(3).standard_normal((2, SAMPLES))}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_hubert_as_fairseq_pretrained_it(tmp_path, large, framework):
    reference = redraw(
        transformers.HubertModel(transformers.HubertConfig(**HUBERT, **(LARGE if large else BASE)))
    )
    head = {"final_proj.weight": torch.randn(11, 48), "final_proj.bias": torch.randn(11)}
    codes = {"label_embs_concat": torch.randn(19, 11)}
    weights = {**hubert_names(reference.state_dict(), large=large), **head, **codes}
    content = {
        "args": None,
        "cfg": hubert_settings(large=large),
        "model": weights,
        "criterion": None,
        "task_state": {"dictionaries": [Dictionary(["<s>"])]},
        "extra_state": {"epoch": 1},
    }
    torch.save(content, tmp_path / "hubert.pt", _use_new_zipfile_serialization=large)
    imported = import_published(tmp_path / "hubert.pt", tmp_path / "run")
    assert imported.spec.task.kind == "masked_unit_prediction"
    assert (imported.spec.task.units, imported.spec.task.code_size) == (19, 11)
    assert not [row for row in imported.report.rows if row.fate != "taken"]
    assert any("normalize" in note for note in imported.report.notes) == large
    assert (imported.spec.data.normalize, imported.spec.data.rate) == (large, 16_000)
    with torch.no_grad():
        wanted = reference(torch.from_numpy(waveforms()["waveform"])).last_hidden_state
    found = outputs(imported, waveforms(), framework)
    same(found["hidden_states"], wanted)
    projected = wanted @ head["final_proj.weight"].double().T + head["final_proj.bias"].double()
    cosines = torch.cosine_similarity(projected[:, :, None], codes["label_embs_concat"].double(), dim=-1)
    same(found["logits"], cosines / 0.1)


def test_hubert_for_ctc_has_the_body_of_its_pretraining_and_its_letters(tmp_path):
    reference = redraw(transformers.HubertForCTC(transformers.HubertConfig(**HUBERT, **BASE, vocab_size=7)))
    state = reference.state_dict()
    body = {
        name.removeprefix("hubert."): value for name, value in state.items() if name.startswith("hubert.")
    }
    weights = {
        f"w2v_encoder.w2v_model.{name}": value for name, value in hubert_names(body, large=False).items()
    }
    weights |= {f"w2v_encoder.proj.{leaf}": state[f"lm_head.{leaf}"] for leaf in ("weight", "bias")}
    weights["w2v_encoder.w2v_model.label_embs_concat"] = torch.randn(19, 11)
    weights["w2v_encoder.w2v_model.encoder.pos_conv.0.parametrizations.weight.original0"] = weights.pop(
        "w2v_encoder.w2v_model.encoder.pos_conv.0.weight_g"
    )
    settings = {
        "model": {
            "_name": "hubert_ctc",
            "w2v_args": hubert_settings(large=False),
            "normalize": "${task.normalize}",
        },
        "task": {"_name": "hubert_fine_tuning", "normalize": False},
    }
    letters = ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T"]
    content = {"cfg": settings, "model": weights, "task_state": {"target_dictionary": Dictionary(letters)}}
    torch.save(content, tmp_path / "ctc.pt")
    imported = import_published(tmp_path / "ctc.pt", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "labels.json").read_text()) == letters
    left = [row.name for row in imported.report.rows if row.fate == "left"]
    assert left == ["w2v_encoder.w2v_model.label_embs_concat"]
    with torch.no_grad():
        wanted = reference(torch.from_numpy(waveforms()["waveform"])).logits
    same(outputs(imported, waveforms())["logits"], wanted)


def test_hubert_whose_features_are_as_wide_as_the_model_has_no_projection(tmp_path):
    config = transformers.HubertConfig(**{**HUBERT, "conv_dim": [7, 12, 48]}, **BASE)
    reference = redraw(transformers.HubertModel(config))
    projection = reference.feature_projection.projection
    projection.weight.data, projection.bias.data = torch.eye(48).double(), torch.zeros(48).double()
    weights = hubert_names(reference.state_dict(), large=False)
    for leaf in ("weight", "bias"):
        del weights[f"post_extract_proj.{leaf}"]
    weights["label_embs"] = torch.randn(19, 48)
    settings = hubert_settings(large=False, features=48)
    torch.save({"cfg": settings, "model": weights}, tmp_path / "x.pt")
    imported = import_published(tmp_path / "x.pt", tmp_path / "run", task="representation")
    with torch.no_grad():
        wanted = reference(torch.from_numpy(waveforms()["waveform"])).last_hidden_state
    same(outputs(imported, waveforms())["hidden_states"], wanted)


# --- RoBERTa ---

SENTENCES = {"input_ids": np.array([[0, 7, 40, 9, 11, 2], [0, 33, 8, 5, 21, 2]])}


def roberta_names(tensors: Tensors, *, old: bool) -> Tensors:
    body, head = (
        ("decoder.sentence_encoder", "decoder.lm_head")
        if old
        else ("encoder.sentence_encoder", "encoder.lm_head")
    )
    norm = "emb_layer_norm" if old else "layernorm_embedding"
    pairs = [
        (r"roberta\.embeddings\.word_embeddings\.", f"{body}.embed_tokens."),
        (r"roberta\.embeddings\.position_embeddings\.", f"{body}.embed_positions."),
        (r"roberta\.embeddings\.LayerNorm\.", f"{body}.{norm}."),
        (r"roberta\.encoder\.layer\.(\d+)\.attention\.self\.query\.", rf"{body}.layers.\1.self_attn.q_proj."),
        (r"roberta\.encoder\.layer\.(\d+)\.attention\.self\.key\.", rf"{body}.layers.\1.self_attn.k_proj."),
        (r"roberta\.encoder\.layer\.(\d+)\.attention\.self\.value\.", rf"{body}.layers.\1.self_attn.v_proj."),
        (
            r"roberta\.encoder\.layer\.(\d+)\.attention\.output\.dense\.",
            rf"{body}.layers.\1.self_attn.out_proj.",
        ),
        (
            r"roberta\.encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.",
            rf"{body}.layers.\1.self_attn_layer_norm.",
        ),
        (r"roberta\.encoder\.layer\.(\d+)\.intermediate\.dense\.", rf"{body}.layers.\1.fc1."),
        (r"roberta\.encoder\.layer\.(\d+)\.output\.dense\.", rf"{body}.layers.\1.fc2."),
        (r"roberta\.encoder\.layer\.(\d+)\.output\.LayerNorm\.", rf"{body}.layers.\1.final_layer_norm."),
        (r"lm_head\.decoder\.weight", f"{head}.weight"),
        (r"lm_head\.", f"{head}."),
        (r"classifier\.", "classification_heads.mnli."),
    ]
    result = {}
    for name, tensor in tensors.items():
        if "token_type" in name or name == "lm_head.decoder.bias":
            continue
        for pattern, new in pairs:
            name, count = re.subn(f"^{pattern}", new, name)
            if count:
                break
        result[name] = tensor
    return {**(fused(result) if old else result), f"{body}.version": torch.tensor([1.0])}


def roberta(cls: type, **more: Any) -> torch.nn.Module:
    config = transformers.RobertaConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=18,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        **more,
    )
    model = redraw(cls(config))
    model.roberta.embeddings.token_type_embeddings.weight.data.zero_()
    return model


ROBERTA_ARGS = {
    "arch": "roberta_base",
    "encoder_layers": 2,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 37,
    "encoder_attention_heads": 3,
    "activation_fn": "gelu",
    "pooler_activation_fn": "tanh",
    "max_positions": 16,
    "dropout": 0.1,
    "lr": [0.1],
    "optimizer": "adam",
}


@pytest.mark.parametrize("old", [True, False])
def test_roberta_as_fairseq_saved_it_in_2019_and_later(tmp_path, old):
    reference = roberta(transformers.RobertaForMaskedLM)
    weights = roberta_names(reference.state_dict(), old=old)
    args = argparse.Namespace(**ROBERTA_ARGS)
    # Since 2021 settings stand by parts, of which a model without a class for its own is a Namespace still.
    settings = (
        {"args": args} if old else {"args": None, "cfg": {"model": args, "task": {"_name": "masked_lm"}}}
    )
    torch.save({**settings, "model": weights}, tmp_path / "model.pt", _use_new_zipfile_serialization=not old)
    imported = import_published(tmp_path, tmp_path / "run")
    assert imported.spec.task.kind == "masked_lm"
    positions = {"masked_positions": np.tile(np.arange(6), (2, 1))}
    with torch.no_grad():
        wanted = reference(torch.from_numpy(SENTENCES["input_ids"])).logits
    found = outputs(imported, {**SENTENCES, **positions}, "torch" if old else "tf")
    same(found["masked_logits"], wanted)


def test_robertas_classification_head_is_read_as_fairseq_has_it(tmp_path):
    reference = roberta(transformers.RobertaForSequenceClassification, num_labels=3)
    weights = roberta_names(reference.state_dict(), old=True)
    torch.save({"args": argparse.Namespace(**ROBERTA_ARGS), "model": weights}, tmp_path / "model.pt")
    imported = import_published(tmp_path, tmp_path / "run")
    assert (imported.spec.task.kind, imported.spec.task.classes) == ("sequence_classification", 3)
    with torch.no_grad():
        wanted = reference(torch.from_numpy(SENTENCES["input_ids"])).logits
    same(outputs(imported, SENTENCES)["logits"], wanted)


def test_a_dictionarys_own_order_of_ids_is_that_of_the_tokenizer(tmp_path):
    from tokenizers.pre_tokenizers import ByteLevel

    pieces = [*sorted(ByteLevel.alphabet()), "he", "hell", "ll", "Ġw"]
    order = np.random.default_rng(0).permutation(len(pieces))
    rows = 4 + len(pieces) + 1 + 1  # One row of padding before the mask, as a dictionary of its own may have.
    (tmp_path / "encoder.json").write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}))
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\nh e\nl l\nhe ll\nĠ w\n")
    (tmp_path / "dict.txt").write_text("".join(f"{index} 9\n" for index in order) + "madeupword0000 0\n")
    reference = roberta(transformers.RobertaForMaskedLM)
    weights = roberta_names(reference.state_dict(), old=True)
    weights["decoder.sentence_encoder.embed_tokens.weight"] = table = torch.randn(rows, 24)
    weights["decoder.lm_head.weight"], weights["decoder.lm_head.bias"] = table, torch.randn(rows)
    torch.save({"args": argparse.Namespace(**ROBERTA_ARGS), "model": weights}, tmp_path / "model.pt")
    imported = import_published(tmp_path, tmp_path / "run")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(imported.directory / "tokenizer.json"))
    found = tokenizer.encode("hello world", add_special_tokens=False)
    assert found.tokens == ["hell", "o", "Ġw", "o", "r", "l", "d"]
    row = {pieces[index]: 4 + line for line, index in enumerate(order)}
    assert found.ids == [row[piece] for piece in found.tokens]
    assert [tokenizer.token_to_id(each) for each in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert tokenizer.token_to_id("<mask>") == rows - 1
    (tmp_path / "encoder.json").write_text(json.dumps({"<s>": 0, **dict.fromkeys(pieces, 4)}))
    imported = import_published(tmp_path, tmp_path / "other")
    assert "give encoder.json with GPT-2's ids" in imported.report.notes[-1]
    assert not (imported.directory / "tokenizer.json").exists()


# --- The Transformer ---

FSMT = {
    "langs": ["a", "b"],
    "src_vocab_size": 29,
    "tgt_vocab_size": 29,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 37,
    "max_position_embeddings": 40,
    "scale_embedding": True,
}
TRANSFORMER_ARGS = {
    "arch": "transformer_wmt_en_de",
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_embed_dim": 24,
    "decoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 37,
    "decoder_ffn_embed_dim": 37,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_normalize_before": False,
    "decoder_normalize_before": False,
    "share_all_embeddings": True,
    "max_source_positions": 30,
    "max_target_positions": 30,
    "activation_fn": "relu",
}


def fairseq_sines(rows: int, width: int) -> torch.Tensor:
    """fairseq/modules/sinusoidal_positional_embedding.py, in float64."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float64) * -(np.log(10000) / (half - 1)))
    angles = torch.arange(rows, dtype=torch.float64)[:, None] * frequencies
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


def fsmt() -> torch.nn.Module:
    model = redraw(transformers.FSMTForConditionalGeneration(transformers.FSMTConfig(**FSMT)))
    for half in (model.model.encoder, model.model.decoder):
        half.embed_positions.weight.data = fairseq_sines(len(half.embed_positions.weight), 24)
    table = model.model.encoder.embed_tokens.weight
    model.model.decoder.embed_tokens.weight = model.model.decoder.output_projection.weight = table
    return model


def transformer_names(tensors: Tensors, *, old: bool) -> Tensors:
    result = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("model.")
        if "embed_positions" in name:
            continue
        if old:
            number = {"self_attn_layer_norm": 0, "encoder_attn_layer_norm": 1}
            number["final_layer_norm"] = 1 if name.startswith("encoder") else 2
            for word, index in number.items():
                name = name.replace(f".{word}.", f".layer_norms.{index}.")
        result[name] = tensor
    if not old:
        return result
    del result["decoder.output_projection.weight"]
    return {**fused(result), "encoder.version": torch.tensor([2.0]), "decoder.version": torch.tensor([2.0])}


@pytest.mark.parametrize("old", [True, False])
def test_the_transformer_as_fairseq_saved_it_in_2018_and_later(tmp_path, old, monkeypatch):
    # Its own goes through float32, in which float64's least number is none.
    monkeypatch.setattr(modeling_fsmt, "fill_with_neg_inf", lambda mask: mask.fill_(-1e300))
    reference = fsmt()
    weights = transformer_names(reference.state_dict(), old=old)
    torch.save({"args": argparse.Namespace(**TRANSFORMER_ARGS), "model": weights}, tmp_path / "model.pt")
    imported = import_published(tmp_path, tmp_path / "run")
    assert imported.spec.task.kind == "sequence_to_sequence_lm"
    ids = np.array([[5, 9, 28, 7, 2], [4, 11, 6, 13, 2]])
    targets = np.array([[2, 8, 20], [2, 17, 3]])
    with torch.no_grad():
        wanted = reference(
            input_ids=torch.from_numpy(ids), decoder_input_ids=torch.from_numpy(targets), use_cache=False
        ).logits
    found = outputs(imported, {"input_ids": ids, "decoder_input_ids": targets}, "torch" if old else "tf")
    same(found["logits"], wanted)


# --- ERNIE ---

SIZES = {
    "vocab_size": 41,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 19,
    "type_vocab_size": 4,
}
TEXT = {
    "input_ids": np.array([[1, 7, 40, 9, 11, 2], [1, 33, 8, 5, 21, 2]]),
    "token_type_ids": np.array([[0, 0, 1, 1, 3, 2], [0, 1, 1, 2, 2, 3]]),
}
TYPES = {"task_type_ids": np.array([[0, 4, 1, 2, 3, 0], [2, 2, 1, 1, 0, 4]])}


def ernie(tasks: int, activation: str) -> torch.nn.Module:
    more = {"use_task_id": True, "task_type_vocab_size": tasks} if tasks else {"use_task_id": False}
    config = transformers.ErnieConfig(
        **SIZES, intermediate_size=96, hidden_act=activation, layer_norm_eps=1e-5, **more
    )
    return redraw(transformers.ErnieForPreTraining(config))


def ernie_names(tensors: Tensors, pairs: list[tuple[str, str]]) -> dict[str, np.ndarray]:
    result = {}
    for name, tensor in tensors.items():
        if name in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
            continue
        for pattern, new in pairs:
            name = re.sub(f"^{pattern}", new, name)
        is_linear = tensor.dim() == 2 and "embedding" not in name
        result[name] = (tensor.T if is_linear else tensor).detach().contiguous().numpy()
    return result


PADDLE_NAMES = [
    (r"ernie\.embeddings\.LayerNorm\.", "ernie.embeddings.layer_norm."),
    (r"ernie\.encoder\.layer\.(\d+)\.attention\.self\.query\.", r"ernie.encoder.layers.\1.self_attn.q_proj."),
    (r"ernie\.encoder\.layer\.(\d+)\.attention\.self\.key\.", r"ernie.encoder.layers.\1.self_attn.k_proj."),
    (r"ernie\.encoder\.layer\.(\d+)\.attention\.self\.value\.", r"ernie.encoder.layers.\1.self_attn.v_proj."),
    (
        r"ernie\.encoder\.layer\.(\d+)\.attention\.output\.dense\.",
        r"ernie.encoder.layers.\1.self_attn.out_proj.",
    ),
    (r"ernie\.encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"ernie.encoder.layers.\1.norm1."),
    (r"ernie\.encoder\.layer\.(\d+)\.intermediate\.dense\.", r"ernie.encoder.layers.\1.linear1."),
    (r"ernie\.encoder\.layer\.(\d+)\.output\.dense\.", r"ernie.encoder.layers.\1.linear2."),
    (r"ernie\.encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"ernie.encoder.layers.\1.norm2."),
    (r"cls\.predictions\.transform\.dense\.", "cls.predictions.transform."),
    (r"cls\.predictions\.transform\.LayerNorm\.", "cls.predictions.layer_norm."),
    (r"cls\.predictions\.bias", "cls.predictions.decoder_bias"),
]
OF_2019 = [
    (r"ernie\.embeddings\.word_embeddings\.weight", "word_embedding"),
    (r"ernie\.embeddings\.position_embeddings\.weight", "pos_embedding"),
    (r"ernie\.embeddings\.token_type_embeddings\.weight", "sent_embedding"),
    (r"ernie\.embeddings\.task_type_embeddings\.weight", "task_embedding"),
    (r"ernie\.embeddings\.LayerNorm\.weight", "pre_encoder_layer_norm_scale"),
    (r"ernie\.embeddings\.LayerNorm\.bias", "pre_encoder_layer_norm_bias"),
    (r"ernie\.encoder\.layer\.(\d+)\.attention\.self\.(\w+)\.", r"encoder_layer_\1_multi_head_att_\2_fc."),
    (
        r"ernie\.encoder\.layer\.(\d+)\.attention\.output\.dense\.",
        r"encoder_layer_\1_multi_head_att_output_fc.",
    ),
    (
        r"ernie\.encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.weight",
        r"encoder_layer_\1_post_att_layer_norm_scale",
    ),
    (
        r"ernie\.encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.bias",
        r"encoder_layer_\1_post_att_layer_norm_bias",
    ),
    (r"ernie\.encoder\.layer\.(\d+)\.intermediate\.dense\.", r"encoder_layer_\1_ffn_fc_0."),
    (r"ernie\.encoder\.layer\.(\d+)\.output\.dense\.", r"encoder_layer_\1_ffn_fc_1."),
    (
        r"ernie\.encoder\.layer\.(\d+)\.output\.LayerNorm\.weight",
        r"encoder_layer_\1_post_ffn_layer_norm_scale",
    ),
    (r"ernie\.encoder\.layer\.(\d+)\.output\.LayerNorm\.bias", r"encoder_layer_\1_post_ffn_layer_norm_bias"),
    (r"ernie\.pooler\.dense\.", "pooled_fc."),
    (r"cls\.predictions\.transform\.dense\.", "mask_lm_trans_fc."),
    (r"cls\.predictions\.transform\.LayerNorm\.weight", "mask_lm_trans_layer_norm_scale"),
    (r"cls\.predictions\.transform\.LayerNorm\.bias", "mask_lm_trans_layer_norm_bias"),
    (r"cls\.predictions\.bias", "mask_lm_out_fc.b_0"),
    (r"cls\.seq_relationship\.", "next_sent_fc."),
    (r"(.*)\.weight", r"\1.w_0"),
    (r"(.*)\.bias", r"\1.b_0"),
]


def check_ernie(imported: Imported, reference: torch.nn.Module, tasks: int, framework: str) -> None:
    inputs = {**TEXT, **(TYPES if tasks else {})}
    with torch.no_grad():
        wanted = reference(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    given = {**inputs, "masked_positions": np.tile(np.arange(6), (2, 1))}
    found = outputs(imported, given, framework)
    same(found["masked_logits"], wanted.prediction_logits)
    same(found["next_sentence_logits"], wanted.seq_relationship_logits)


def write_variables(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A file each, of float64 (6), as paddle/fluid/framework/lod_tensor.cc writes it."""
    folder.mkdir()
    for name, array in arrays.items():
        described = b"\x08\x06" + b"".join(b"\x10" + bytes([size]) for size in array.shape)
        head = struct.pack("<IQ", 0, 0) + struct.pack("<Ii", 0, len(described)) + described
        (folder / name).write_bytes(head + array.tobytes())


@pytest.mark.parametrize("protocol", [2, 4])
def test_ernie_as_paddlenlp_saved_it(tmp_path, protocol):
    reference = ernie(5, "gelu")
    arrays = ernie_names(reference.state_dict(), PADDLE_NAMES)
    content: dict[str, Any] = arrays
    if protocol == 4:
        content = {name: (f"p_{index}", array) for index, (name, array) in enumerate(arrays.items())}
        content["StructuredToParameterName@@"] = {name: pair[0] for name, pair in content.items()}
    (tmp_path / "model_state.pdparams").write_bytes(pickle.dumps(content, protocol))
    inner = {**SIZES, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "init_class": "ErnieModel"}
    config = {"init_args": [inner], "init_class": "ErnieForPretraining"}
    (tmp_path / "model_config.json").write_text(json.dumps(config))
    words = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *(f"w{index}" for index in range(36))]
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\t{index}\n" for index, word in enumerate(words)))
    imported = import_published(tmp_path, tmp_path / "run")
    assert imported.spec.model.task_type_vocab_size == 5
    assert imported.spec.model.layer_norm_epsilon == 1e-5
    assert '"w3"' in (imported.directory / "tokenizer.json").read_text()
    check_ernie(imported, reference, 5, "torch" if protocol == 2 else "tf")


def test_ernie_of_2019_is_a_folder_of_variables(tmp_path):
    reference = ernie(0, "relu")
    write_variables(tmp_path / "params", ernie_names(reference.state_dict(), OF_2019))
    config = {**SIZES, "hidden_act": "relu", "attention_probs_dropout_prob": 0.1}
    del config["vocab_size"]
    (tmp_path / "ernie_config.json").write_text(json.dumps(config))
    imported = import_published(tmp_path, tmp_path / "run", task="masked_lm_next_sentence")
    assert (imported.spec.model.activation, imported.spec.model.task_type_vocab_size) == ("relu", 0)
    check_ernie(imported, reference, 0, "torch")


def test_a_classifier_of_2019_has_its_head(tmp_path):
    config = transformers.ErnieConfig(
        **SIZES, intermediate_size=96, hidden_act="relu", layer_norm_eps=1e-5, use_task_id=False, num_labels=3
    )
    reference = redraw(transformers.ErnieForSequenceClassification(config))
    head = [(r"classifier\.weight", "cls_out_w"), (r"classifier\.bias", "cls_out_b")]
    write_variables(tmp_path / "params", ernie_names(reference.state_dict(), [*head, *OF_2019]))
    (tmp_path / "ernie_config.json").write_text(json.dumps({**SIZES, "hidden_act": "relu"}))
    imported = import_published(tmp_path, tmp_path / "run", task="sequence_classification")
    assert imported.spec.task.classes == 3
    with torch.no_grad():
        wanted = reference(**{name: torch.from_numpy(value) for name, value in TEXT.items()}).logits
    same(outputs(imported, TEXT)["logits"], wanted)


# --- What is refused ---

REFUSED: list[tuple[Callable[[], dict], dict[str, Any], str]] = [
    (lambda: ROBERTA_ARGS, {"encoder_normalize_before": True}, "encoder_normalize_before is True"),
    (lambda: ROBERTA_ARGS, {"untie_weights_roberta": True}, "untie_weights_roberta is True"),
    (lambda: ROBERTA_ARGS, {"activation_fn": "linear"}, "activation_fn is 'linear'"),
    (lambda: ROBERTA_ARGS, {"arch": "transformer_lm_big"}, "architecture 'transformer_lm_big'"),
    (lambda: TRANSFORMER_ARGS, {"decoder_normalize_before": True}, "decoder_normalize_before is True"),
    (lambda: TRANSFORMER_ARGS, {"encoder_learned_pos": True}, "encoder_learned_pos is True"),
    (lambda: TRANSFORMER_ARGS, {"share_all_embeddings": False}, "share_all_embeddings is False"),
    (
        lambda: TRANSFORMER_ARGS,
        {"decoder_embed_dim": 48},
        "decoder_embed_dim is 48, and encoder_embed_dim 24",
    ),
    (lambda: TRANSFORMER_ARGS, {"no_scale_embedding": True}, "no_scale_embedding is True"),
    (
        lambda: hubert_settings(large=False)["model"],
        {"conv_pos_batch_norm": True},
        "conv_pos_batch_norm is True",
    ),
    (
        lambda: hubert_settings(large=False)["model"],
        {"conv_feature_layers": "__import__('os')"},
        "conv_feature_layers",
    ),
    (lambda: hubert_settings(large=False)["model"], {"layer_type": "conformer"}, "layer_type is 'conformer'"),
]


@pytest.mark.parametrize(("settings", "change", "said"), REFUSED)
def test_settings_that_cannot_be_honoured_are_refused_by_name(tmp_path, settings, change, said):
    args = {**settings(), **change}
    args.setdefault("arch", args.get("_name"))
    weights = {"decoder.embed_tokens.weight": torch.zeros(29, 24), "final_proj.weight": torch.zeros(11, 48)}
    if args["arch"].startswith("roberta"):
        weights = {"encoder.lm_head.bias": torch.zeros(50)}
    torch.save({"args": argparse.Namespace(**args), "model": weights}, tmp_path / "x.pt")
    with pytest.raises(InputError, match=re.escape(said)):
        import_published(tmp_path / "x.pt", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["decoder.embed_tokens.weight", "decoder.output_projection.weight"])
def test_a_table_of_the_decoders_own_is_refused_and_not_left_out(tmp_path, name):
    weights = transformer_names(fsmt().state_dict(), old=False)
    weights[name] = weights[name] + 1
    torch.save({"args": argparse.Namespace(**TRANSFORMER_ARGS), "model": weights}, tmp_path / "model.pt")
    with pytest.raises(
        InputError, match=f"{re.escape(name)} must follow from embeddings.weight, and does not"
    ):
        import_published(tmp_path, tmp_path / "run")


def test_of_several_checkpoints_one_has_to_be_named(tmp_path):
    content = {"args": argparse.Namespace(**ROBERTA_ARGS), "model": {"encoder.lm_head.bias": torch.zeros(50)}}
    for name in ("model1.pt", "model2.pt"):
        torch.save(content, tmp_path / name)
    with pytest.raises(InputError, match=r"several checkpoints of fairseq's \(model1\.pt, model2\.pt\)"):
        import_published(tmp_path, tmp_path / "run")


def test_an_ernie_without_a_configuration_is_refused_by_what_it_lacks(tmp_path):
    arrays = ernie_names(ernie(0, "relu").state_dict(), PADDLE_NAMES)
    (tmp_path / "model_state.pdparams").write_bytes(pickle.dumps(arrays, 4))
    with pytest.raises(
        InputError, match=r"has no model_config\.json, config\.json, ernie_config\.json beside it"
    ):
        import_published(tmp_path, tmp_path / "run")


def test_a_dictionary_that_is_none_or_too_long_is_refused_by_its_line(tmp_path):
    reference = roberta(transformers.RobertaForMaskedLM)
    weights = roberta_names(reference.state_dict(), old=True)
    torch.save({"args": argparse.Namespace(**ROBERTA_ARGS), "model": weights}, tmp_path / "model.pt")
    (tmp_path / "encoder.json").write_text(json.dumps({"a": 0}))
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\n")
    for text, said in {
        "5 9\nno count here\n": r"dict\.txt:2: is no symbol and its count",
        "5 9\n5 8\n": r"dict\.txt:2: repeats '5'",
        "".join(f"{index} 1\n" for index in range(60)): r"dict\.txt: has 64 symbols .* 50 rows",
    }.items():
        (tmp_path / "dict.txt").write_text(text)
        with pytest.raises(InputError, match=said):
            import_published(tmp_path, tmp_path / "run")
