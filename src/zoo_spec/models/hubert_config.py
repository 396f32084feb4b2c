"""HuBERT's configuration as ``transformers`` writes it."""

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
from zoo_spec.models.bert_config import SIZES

_CONVOLUTIONS: dict[str, JsonValue] = {
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
}
_NORM: JsonValue = {"kind": "layer_norm", "epsilon": 1e-5}
"""Torch's own epsilon, which the configuration's does not change."""
_FIRST: JsonValue = {"kind": "time_norm", "epsilon": 1e-5}


def _waveforms(config: Config) -> Fields:
    kind = config["feat_extract_norm"]
    if kind not in ("group", "layer"):
        raise ValueError(f"feat_extract_norm is {kind!r}, and group and layer are known")
    activation = _activation(config)
    encoder: dict[str, JsonValue] = {
        "kind": "waveform_encoder",
        "channels": config["conv_dim"],
        "sizes": config["conv_kernel"],
        "strides": config["conv_stride"],
        "bias": config["conv_bias"],
        "first_norm": _FIRST if kind == "group" else _NORM,
        "norm": None if kind == "group" else _NORM,
        "activation": activation,
    }
    position: dict[str, JsonValue] = {
        "kind": "convolutional_position",
        "size": config["num_conv_pos_embeddings"],
        "groups": config["num_conv_pos_embedding_groups"],
        "activation": activation,
    }
    return {"waveform_encoder": encoder, "position": position}


def _activation(config: Config) -> JsonValue:
    said = config["feat_extract_activation"]
    try:
        return ACTIVATIONS.read(said)
    except ValueError as error:
        raise ValueError(f"feat_extract_activation is {said!r}, and {error}") from None


def _convolutions(model: Fields) -> Config:
    encoder, position = model["waveform_encoder"], model["position"]
    assert isinstance(encoder, dict)
    assert isinstance(position, dict)
    if position["kind"] != "convolutional_position" or position["activation"] != encoder["activation"]:
        raise ValueError("model.position is no convolution with the waveform encoder's activation")
    if (encoder["first_norm"], encoder["norm"]) not in ((_FIRST, None), (_NORM, _NORM)):
        raise ValueError("model.waveform_encoder has other norms than HubertConfig knows")
    return {
        "conv_dim": encoder["channels"],
        "conv_kernel": encoder["sizes"],
        "conv_stride": encoder["strides"],
        "conv_bias": encoder["bias"],
        "feat_extract_norm": "group" if encoder["norm"] is None else "layer",
        "feat_extract_activation": ACTIVATIONS.write(encoder["activation"]),
        "num_conv_pos_embeddings": position["size"],
        "num_conv_pos_embedding_groups": position["groups"],
    }


def _place(config: Config) -> Fields:
    return {"norm_place": "before" if config["do_stable_layer_norm"] else "after"}


TRANSFORMERS = ConfigTable(
    model_type="hubert",
    says=(
        *SIZES,
        Keys(
            {**_CONVOLUTIONS, "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16},
            _waveforms,
            _convolutions,
        ),
        Keys(
            {"do_stable_layer_norm": False},
            _place,
            lambda model: {"do_stable_layer_norm": model["norm_place"] == "before"},
        ),
        Key("hidden_act", "activation", "gelu", ACTIVATIONS),
        Key("layer_norm_eps", "layer_norm_epsilon", 1e-5),
    ),
    training=(
        Key("hidden_dropout", "dropout", 0.1),
        Key("attention_dropout", "attention_dropout", 0.1),
        Key("activation_dropout", "activation_dropout", 0.1),
        Key("feat_proj_dropout", "feature_dropout", 0.0),
        Key("initializer_range", "initializer", 0.02, Normally("normal")),
    ),
    only=(
        *EVERYWHERE,
        Only("feat_proj_layer_norm", (True,), "features are normed before they are projected, here"),
        Only("conv_pos_batch_norm", (False,), "the convolution of positions has a weight norm here"),
        Only("add_adapter", (False, None), "there is no adapter here"),
    ),
    # How its trainer masks, drops layers and counts a loss; and the heads that are not read.
    nothing=NOTHING
    | frozenset(LABELS)
    | keys(
        """
        apply_spec_augment classifier_proj_size ctc_loss_reduction ctc_zero_infinity
        feat_quantizer_dropout final_dropout layerdrop mask_channel_length mask_channel_min_space
        mask_channel_other mask_channel_prob mask_channel_selection mask_feature_length
        mask_feature_min_masks mask_feature_prob mask_time_length mask_time_min_masks
        mask_time_min_space mask_time_other mask_time_prob mask_time_selection num_feat_extract_layers
        problem_type tokenizer_class use_weighted_layer_sum vocab_size hidden_dropout_prob
        gradient_checkpointing
        """
    ),
    tasks=(
        plain("HubertModel", "representation"),
        TaskClass(
            "HubertForCTC",
            ("ctc",),
            lambda config: {"kind": "ctc", "classes": config.get("vocab_size", 32)},
            lambda task: {"vocab_size": task["classes"]},
            ("vocab_size",),
        ),
    ),
)

HUBERT_CONFIGS = {"transformers": TRANSFORMERS}
