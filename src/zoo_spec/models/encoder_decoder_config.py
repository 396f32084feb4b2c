"""The Transformer's configuration as ``transformers``' Marian writes it."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import (
    ACTIVATIONS,
    Config,
    ConfigTable,
    Fields,
    Key,
    Keys,
    Normally,
    Only,
    TaskClass,
)
from zoo_spec.foreign.hub import EVERYWHERE, LABELS, NOTHING, keys, plain

_EPSILON = 1e-5
"""Torch's own, of which the configuration says nothing."""
_HALVES: dict[str, JsonValue] = {
    "encoder_attention_heads": 16,
    "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096,
    "decoder_ffn_dim": 4096,
}


def _halves(config: Config) -> Fields:
    """Both halves are as wide and have as many heads, here."""
    fields: dict[str, JsonValue] = {}
    for key, ours in (("attention_heads", "num_heads"), ("ffn_dim", "intermediate_size")):
        one, other = config[f"encoder_{key}"], config[f"decoder_{key}"]
        if one != other:
            raise ValueError(f"encoder_{key} is {one} and decoder_{key} {other}, and both are the same here")
        fields[ours] = one
    return fields


def _said(model: Fields) -> Config:
    heads, width = model["num_heads"], model["intermediate_size"]
    return {
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": width,
        "decoder_ffn_dim": width,
    }


def _positions(config: Config) -> Fields:
    size: JsonValue = config["max_position_embeddings"]
    return {
        "position": {"kind": "sinusoidal_positions", "layout": "halves", "size": size},
        "layer_norm_epsilon": _EPSILON,
        "output_bias": True,
    }


def _size(model: Fields) -> Config:
    position = model["position"]
    assert isinstance(position, dict)
    if model["layer_norm_epsilon"] != _EPSILON:
        raise ValueError(
            f"model.layer_norm_epsilon is {model['layer_norm_epsilon']}, and Marian's is {_EPSILON}"
        )
    if position["kind"] != "sinusoidal_positions" or position["layout"] != "halves":
        raise ValueError("model.position is not sinusoidal with the sines before the cosines, as Marian's")
    return {"max_position_embeddings": position["size"]}


MARIAN = ConfigTable(
    model_type="marian",
    says=(
        Key("vocab_size", "vocab_size", 58101),
        Key("d_model", "hidden_size", 1024),
        Key("encoder_layers", "num_layers", 12),
        Key("decoder_layers", "num_decoder_layers", 12),
        Keys(_HALVES, _halves, _said),
        Key("activation_function", "activation", "gelu", ACTIVATIONS),
        Keys({"max_position_embeddings": 1024}, _positions, _size),
    ),
    training=(
        Key("dropout", "dropout", 0.1),
        Key("attention_dropout", "attention_dropout", 0.0),
        Key("init_std", "initializer", 0.02, Normally("normal")),
    ),
    only=(
        *EVERYWHERE,
        Only(
            "scale_embedding",
            (True,),
            "embeddings are scaled by the root of their width here",
            usual=(False,),
        ),
        Only("tie_word_embeddings", (True,), "the words' scores are of the one table here"),
        Only("share_encoder_decoder_embeddings", (True,), "both languages have one table here"),
        Only("static_position_embeddings", (True, None), "positions are sinusoids here"),
        Only("normalize_before", (False, None), "norms stand after each half of a layer here"),
        Only("normalize_embedding", (False, None), "embeddings have no norm here"),
        Only("add_final_layer_norm", (False, None), "there is no last norm here"),
        Only("extra_pos_embeddings", (0, None), "the positions' table begins with the first, here"),
    ),
    nothing=NOTHING
    | frozenset(LABELS)
    | keys(
        """
        activation_dropout add_bias_logits classif_dropout classifier_dropout decoder_layerdrop decoder_vocab_size
        encoder_layerdrop force_bos_token_to_be_generated is_decoder num_hidden_layers
        """
    ),
    tasks=(
        TaskClass(
            "MarianMTModel",
            ("sequence_to_sequence_lm", "summarization"),
            lambda _: {"kind": "sequence_to_sequence_lm"},
            lambda _: {},
        ),
        plain("MarianModel", "sequence_to_sequence_lm"),
        # Of the encoder alone there is no class.
        plain("MarianEncoder", "representation"),
    ),
)

MARIAN_CONFIGS = {"transformers": MARIAN}
