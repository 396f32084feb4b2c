"""Presets that KerasHub itself has saved compute here, in both frameworks, what KerasHub computes of them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from published_runs import outputs_of
from zoo_common.published import import_published
from zoo_spec.errors import InputError

# TensorFlow's gelu has its constants in float32, in float64 too; without one the gap is 1e-15.
LIMIT = 1e-6
SIZES = {
    "vocabulary_size": 31,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 12,
    "intermediate_dim": 10,
    "dtype": "float64",
}
DRAW = np.random.default_rng(0)
IDS, TYPES = DRAW.integers(2, 31, (2, 7)), DRAW.integers(0, 2, (2, 7))
MASK = np.array([[1] * 7, [1] * 5 + [0] * 2])
TARGET = DRAW.integers(2, 31, (2, 5))
PLACES = np.array([[1, 4], [0, 3]])
IMAGES = DRAW.standard_normal((2, 8, 12, 3))
TEXT = {"token_ids": IDS, "padding_mask": MASK}
BERT = {**TEXT, "segment_ids": TYPES}
MASKED = {"mask_positions": PLACES}
PAIR = {"encoder_token_ids": IDS, "encoder_padding_mask": MASK}
PAIR |= {"decoder_token_ids": TARGET, "decoder_padding_mask": np.ones_like(TARGET)}
OURS = {"input_ids": IDS, "example_ids": MASK}
OURS_BERT = {**OURS, "token_type_ids": TYPES}
OURS_PAIR = {**OURS, "decoder_input_ids": TARGET}


def hub():
    """Of KerasHub, which takes a second to import: every process of a test run imports this file."""
    import keras_hub

    return keras_hub.models


def bert():
    return hub().BertBackbone(**SIZES, max_sequence_length=9)


def roberta():
    return hub().RobertaBackbone(**SIZES, max_sequence_length=9)


def gpt2():
    return hub().GPT2Backbone(**SIZES, max_sequence_length=9)


def neox():
    return hub().GPTNeoXBackbone(**{**SIZES, "hidden_dim": 16}, rotary_percentage=0.5, max_sequence_length=9)


def vit():
    sizes = {"num_layers": 3, "num_heads": 2, "hidden_dim": 12, "mlp_dim": 10, "dtype": "float64"}
    return hub().ViTBackbone(image_shape=(8, 12, 3), patch_size=4, **sizes)


def t5(**more):
    return hub().T5Backbone(**SIZES, key_value_dim=4, **more)


def t5_logits(model, found):
    states = found["decoder_sequence_output"] * (12**-0.5 if model.tie_embedding_weights else 1.0)
    return model.token_embedding(states, reverse=True)


def tied_logits(model, found):
    return model.token_embedding(found, reverse=True)


def whole(_, found):
    return found


CASES = {
    "bert": (bert, BERT, OURS_BERT, "hidden_states", lambda _, found: found["sequence_output"]),
    "bert classifier": (
        lambda: hub().BertTextClassifier(bert(), num_classes=3, preprocessor=None), BERT, OURS_BERT, "logits", whole
    ),
    "roberta": (roberta, TEXT, OURS, "hidden_states", whole),
    "roberta classifier": (
        lambda: hub().RobertaTextClassifier(roberta(), num_classes=3, preprocessor=None), TEXT, OURS, "logits", whole
    ),
    "roberta masked lm": (
        lambda: hub().RobertaMaskedLM(roberta(), preprocessor=None),
        {**TEXT, **MASKED}, {**OURS, "masked_positions": PLACES}, "masked_logits", whole,
    ),
    "gpt2": (gpt2, TEXT, {"input_ids": IDS}, "logits", tied_logits),
    "gpt2 lm": (lambda: hub().GPT2CausalLM(gpt2(), preprocessor=None), TEXT, {"input_ids": IDS}, "logits", whole),
    "gpt_neo_x lm": (
        lambda: hub().GPTNeoXCausalLM(neox(), preprocessor=None), TEXT, {"input_ids": IDS}, "logits", whole
    ),
    "t5": (lambda: t5(use_gated_activation=False), PAIR, OURS_PAIR, "logits", t5_logits),
    "t5 v1.1": (
        lambda: t5(activation="gelu", tie_embedding_weights=False), PAIR, OURS_PAIR, "logits", t5_logits
    ),
    "vit": (vit, IMAGES, {"image": IMAGES}, "hidden_states", whole),
    "vit classifier": (
        lambda: hub().ViTImageClassifier(vit(), num_classes=3, preprocessor=None),
        IMAGES, {"image": IMAGES}, "logits", whole,
    ),
}  # fmt: skip


def redraw(model: keras.Model) -> keras.Model:
    """Every weight of order one, lest a wrong layout or a swapped layer make no difference."""
    draw = np.random.default_rng(5)
    for weight in model.weights:
        if weight.trainable and "embedding" not in weight.path and len(weight.shape) > 1:
            weight.assign(1.5 / np.sqrt(np.prod(weight.shape[:-1])) * draw.standard_normal(weight.shape))
        elif weight.trainable:
            weight.assign(draw.standard_normal(weight.shape))
    return model


@pytest.mark.parametrize("case", CASES)
def test_a_preset_computes_what_it_does_in_kerashub(case, tmp_path):
    make, theirs, ours, output, of_model = CASES[case]
    model = redraw(make())
    model.save_to_preset(str(tmp_path / "preset"))
    expected = np.asarray(of_model(model, model(theirs)))
    done = import_published(tmp_path / "preset", tmp_path / "run")
    assert {row.fate for row in done.report.rows} <= {"taken", "left", "new"}
    assert all("pooler" in row.name for row in done.report.rows if row.fate == "new")
    assert all("optimizer" in row.name for row in done.report.rows if row.fate == "left")
    seen = (
        MASK.astype(bool) if (expected.shape[:2] == MASK.shape and "bert" in case) or "gpt" in case else ...
    )
    for framework, found in outputs_of(tmp_path / "run", ours):
        gap = np.abs(found[output] - expected)[seen].max()
        assert gap < LIMIT * np.abs(expected).max(), framework
    assert expected.std() > 0.1


def test_a_preset_in_several_files_gives_the_same(tmp_path):
    model = redraw(bert())
    model.save_to_preset(str(tmp_path / "one"))
    model.save_to_preset(str(tmp_path / "many"), max_shard_size=8e-6)
    assert len(list((tmp_path / "many").glob("*.h5"))) > 1
    reports = [import_published(tmp_path / name, tmp_path / f"{name}_run").report for name in ("one", "many")]
    assert reports[0].rows == reports[1].rows


def test_a_preset_that_keras_of_tensorflow_2_13_saved_gives_the_same(tmp_path):
    model = redraw(hub().BertTextClassifier(bert(), num_classes=3, preprocessor=None))
    for name in ("today", "then"):
        model.save_to_preset(str(tmp_path / name))
    for path in (tmp_path / "then").glob("*.h5"):
        with h5py.File(path, "a") as file:
            file.move("layers", "_layer_checkpoint_dependencies")
    saved = (tmp_path / "then" / "config.json").read_text()
    (tmp_path / "then" / "config.json").write_text(saved.replace("keras_hub>", "keras_nlp>"))
    reports = [
        import_published(tmp_path / name, tmp_path / f"{name}_run").report for name in ("today", "then")
    ]
    assert reports[0].rows == reports[1].rows


def preset(folder: Path, model=None, **config: object) -> Path:
    (model or bert()).save_to_preset(str(folder))
    path = folder / "config.json"
    saved = json.loads(path.read_text())
    saved["config"] |= config
    path.write_text(json.dumps(saved))
    return folder


def test_a_head_that_computes_otherwise_than_its_backbone_is_refused(tmp_path):
    model = hub().BertMaskedLM(bert(), preprocessor=None)
    model.save_to_preset(str(tmp_path / "preset"))
    with pytest.raises(
        InputError, match=r"masked_lm computes with the activation gelu_tanh, .* with gelu_erf"
    ):
        import_published(tmp_path / "preset", tmp_path / "run")
    done = import_published(tmp_path / "preset", tmp_path / "run", task="representation")
    assert not [row for row in done.report.rows if row.fate == "new"]


def test_what_has_no_place_here_is_refused_by_its_key(tmp_path):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 12, "mlp_dim": 10, "use_mha_bias": False}
    model = hub().ViTBackbone(image_shape=(8, 12, 3), patch_size=4, **sizes)
    with pytest.raises(
        InputError, match=r"config.json: use_mha_bias is False: queries, keys and values have biases"
    ):
        import_published(preset(tmp_path / "vit", model), tmp_path / "run")
    with pytest.raises(InputError, match=r"layers/transformer_encoder_2"):
        import_published(preset(tmp_path / "bert", num_layers=2), tmp_path / "run")
    other = preset(tmp_path / "other")
    with h5py.File(other / "model.weights.h5", "a") as file:
        file["layers/dense/vars"].attrs["name"] = "logits"
    with pytest.raises(
        InputError, match=r"layers/dense of BertBackbone calls itself logits, and pooled_dense"
    ):
        import_published(other, tmp_path / "run")
    saved = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**saved, "registered_name": "keras_hub>GemmaBackbone"}))
    with pytest.raises(
        InputError, match=r"is of KerasHub's GemmaBackbone, and those that are read are BertBackbone"
    ):
        import_published(other, tmp_path / "run")
    (other / "config.json").write_text(json.dumps({**saved, "registered_name": "builtins>eval"}))
    with pytest.raises(InputError, match=r"is of builtins>eval, and no preset of KerasHub"):
        import_published(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


TEXTS = (
    "The cats sat.",
    "naïve CAFÉ café",
    "中文 mixed!? a-b_c",
    "ünder ñ  tab\tx",
    "don't 3.14 x@y",
    "ab cab ab",
)
LETTERS = [chr(code) for code in range(33, 127)] + list("éïüñ中文")


@pytest.mark.parametrize("lowercase", [True, False])
def test_texts_become_the_ids_that_kerashubs_tokenizer_gives(lowercase, tmp_path):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [
        *specials,
        "the",
        "cat",
        "sat",
        "naïve",
        "cafe",
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
    ]
    theirs = hub().BertTokenizer(vocabulary=pieces, lowercase=lowercase)
    model = hub().BertBackbone(**{**SIZES, "vocabulary_size": len(pieces)}, max_sequence_length=9)
    preprocessor = hub().BertTextClassifierPreprocessor(theirs, sequence_length=8)
    hub().BertTextClassifier(model, num_classes=3, preprocessor=preprocessor).save_to_preset(
        str(tmp_path / "p")
    )
    assert_same_ids(theirs, tmp_path)


def test_texts_become_the_ids_of_byte_pairs_too(tmp_path):
    alphabet = sorted(ByteLevel.alphabet())
    table = {piece: index for index, piece in enumerate([*alphabet, "ab", "Ġa", "Ġab", "<|endoftext|>"])}
    theirs = hub().GPT2Tokenizer(vocabulary=table, merges=["a b", "Ġ a", "Ġa b"])
    model = hub().GPT2Backbone(**{**SIZES, "vocabulary_size": len(table)}, max_sequence_length=9)
    preprocessor = hub().GPT2CausalLMPreprocessor(theirs, sequence_length=8)
    hub().GPT2CausalLM(model, preprocessor=preprocessor).save_to_preset(str(tmp_path / "p"))
    assert_same_ids(theirs, tmp_path)


def assert_same_ids(theirs, folder: Path) -> None:
    import_published(folder / "p", folder / "run")
    kept = Tokenizer.from_file(str(folder / "run" / "tokenizer.json"))
    for text in TEXTS:
        assert kept.encode(text, add_special_tokens=False).ids == [int(each) for each in theirs(text)], text
