"""HuBERT's weights and configuration as fairseq has them.

Source: facebookresearch/fairseq, fairseq/models/hubert/{hubert,hubert_asr}.py and models/wav2vec/wav2vec2.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from zoo_spec.errors import InputError
from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys, Only, TaskClass
from zoo_spec.foreign.fairseq import ACTIVATIONS, COMMON, EPSILON, NOTHING, convolutions
from zoo_spec.foreign.hub import LABELS, keys, plain
from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.transforms import Arrays, Shapes

LAYER = (
    ("attention.query", "self_attn.q_proj"),
    ("attention.key", "self_attn.k_proj"),
    ("attention.value", "self_attn.v_proj"),
    ("attention.project", "self_attn.out_proj"),
    ("attention_norm", "self_attn_layer_norm"),
    ("feed_forward.inner", "fc1"),
    ("feed_forward.outer", "fc2"),
    ("feed_forward_norm", "final_layer_norm"),
)
"""A layer's parts, here and in fairseq."""


@dataclass(frozen=True)
class Unprojected:
    """The norm of features that are as wide as the model: fairseq then leaves the projection out, and here it is one
    that changes nothing."""

    def read(self, foreign: Arrays) -> Arrays:
        """``weight, bias`` of the norm to those, and a projection's."""
        weight, bias = foreign
        return weight, bias, np.eye(len(weight), dtype=weight.dtype), np.zeros_like(weight)

    def write(self, canonical: Arrays) -> Arrays:
        """Those of the norm; InputError for a projection that changes something."""
        weight, bias, projection, shift = canonical
        if not np.array_equal(projection, np.eye(len(weight))) or np.any(shift):
            raise InputError(
                "fairseq has no projection of features that are as wide as the model, and this one is none"
            )
        return weight, bias

    def read_shapes(self, foreign: Shapes) -> Shapes:
        """The norm's, a square matrix and its bias."""
        weight, bias = foreign
        if len(weight) != 1:
            raise ValueError(f"has the shape {list(weight)}, and a norm has a vector")
        return weight, bias, (weight[0], weight[0]), weight

    def write_shapes(self, canonical: Shapes) -> Shapes:
        """The norm's."""
        return canonical[:2]


def fairseq_names(*, first_alone: bool, projected: bool) -> NameTable:
    """The names, by whether the first convolution alone has a norm (base), and whether features are projected."""
    norm = "2" if first_alone else "2.1"  # A norm over channels stands between two transpositions there.
    features: tuple[Entry, ...] = (
        Entry("embeddings.feature_norm.{leaf}", "layer_norm.{leaf}"),
        Entry("embeddings.projection.{leaf}", "post_extract_proj.{leaf}"),
    )
    if not projected:
        ours = ("feature_norm.weight", "feature_norm.bias", "projection.weight", "projection.bias")
        canonical = tuple(f"embeddings.{name}" for name in ours)
        features = (Entry(canonical, ("layer_norm.weight", "layer_norm.bias"), Unprojected()),)
    return NameTable(
        prefix="w2v_encoder.w2v_model.",
        backbone=Part(
            entries=(
                Entry(
                    "waveform_encoder.layers.{layer}.convolution.{leaf}",
                    "feature_extractor.conv_layers.{layer}.0.{leaf}",
                ),
                Entry(
                    "waveform_encoder.layers.{layer}.norm.{leaf}",
                    f"feature_extractor.conv_layers.{{layer}}.{norm}.{{leaf}}",
                ),
                *features,
                Entry("embeddings.mask_embedding", "mask_emb"),
                Entry("embeddings.position.gain", "encoder.pos_conv.0.weight_g"),
                Entry("embeddings.position.direction", "encoder.pos_conv.0.weight_v"),
                Entry("embeddings.position.bias", "encoder.pos_conv.0.bias"),
                *(
                    Entry(
                        f"encoder.layers.{{layer}}.{mine}.{{leaf}}",
                        f"encoder.layers.{{layer}}.{theirs}.{{leaf}}",
                    )
                    for mine, theirs in LAYER
                ),
                # One name for two places: before the layers (base), or after them (large and extra large).
                Entry("embeddings.norm.{leaf}", "encoder.layer_norm.{leaf}"),
                Entry("encoder.norm.{leaf}", "encoder.layer_norm.{leaf}"),
            ),
            # Inside a file for CTC these are left of the pre-training, and nothing reads them.
            unused=(
                "w2v_encoder.w2v_model.label_embs_concat",
                "w2v_encoder.w2v_model.final_proj.{leaf}",
            ),
        ),
        heads=(
            Part(entries=(Entry("ctc.dense.{leaf}", "w2v_encoder.proj.{leaf}"),)),
            Part(
                entries=(
                    Entry("units.dense.{leaf}", "final_proj.{leaf}"),
                    Entry("units.codes", "label_embs_concat"),
                ),
                is_bare=True,
            ),
        ),
        old_endings={
            "label_embs": "label_embs_concat",
            "pos_conv.0.parametrizations.weight.original0": "pos_conv.0.weight_g",
            "pos_conv.0.parametrizations.weight.original1": "pos_conv.0.weight_v",
        },
    )


_LAYER_NORM: JsonValue = {"kind": "layer_norm", "epsilon": 1e-5}
_TIME_NORM: JsonValue = {"kind": "time_norm", "epsilon": 1e-5}
_USUAL: Config = {
    "conv_feature_layers": "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2",
    "conv_bias": False,
    "extractor_mode": "default",
    "conv_pos": 128,
    "conv_pos_groups": 16,
}


def _waveforms(config: Config) -> Fields:
    mode = config["extractor_mode"]
    if mode not in ("default", "layer_norm"):
        raise ValueError(f"extractor_mode is {mode!r}, and default and layer_norm are known")
    try:
        layers = convolutions(config["conv_feature_layers"])
    except ValueError as error:
        raise ValueError(
            f"conv_feature_layers is {str(config['conv_feature_layers'])[:200]!r}, {error}"
        ) from None
    channels, sizes, strides = ([layer[index] for layer in layers] for index in range(3))
    encoder: dict[str, JsonValue] = {
        "kind": "waveform_encoder",
        "channels": list(channels),
        "sizes": list(sizes),
        "strides": list(strides),
        "bias": config["conv_bias"],
        "first_norm": _TIME_NORM if mode == "default" else _LAYER_NORM,
        "norm": None if mode == "default" else _LAYER_NORM,
        "activation": "gelu_erf",
    }
    position: dict[str, JsonValue] = {
        "kind": "convolutional_position",
        "size": config["conv_pos"],
        "groups": config["conv_pos_groups"],
        "activation": "gelu_erf",
    }
    return {"waveform_encoder": encoder, "position": position}


def _convolutions(model: Fields) -> Config:
    encoder, position = model["waveform_encoder"], model["position"]
    assert isinstance(encoder, dict)
    assert isinstance(position, dict)
    if position["kind"] != "convolutional_position" or (encoder["activation"], position["activation"]) != (
        "gelu_erf",
        "gelu_erf",
    ):
        raise ValueError("fairseq's convolutions have the activation gelu_erf, before and in the positions")
    if (encoder["first_norm"], encoder["norm"]) not in ((_TIME_NORM, None), (_LAYER_NORM, _LAYER_NORM)):
        raise ValueError("model.waveform_encoder has other norms than fairseq knows")
    columns = [encoder["channels"], encoder["sizes"], encoder["strides"]]
    lists = [column for column in columns if isinstance(column, list)]
    triples = ", ".join(
        f"({channels}, {size}, {stride})" for channels, size, stride in zip(*lists, strict=True)
    )
    return {
        "conv_feature_layers": f"[{triples}]",
        "conv_bias": encoder["bias"],
        "extractor_mode": "default" if encoder["norm"] is None else "layer_norm",
        "conv_pos": position["size"],
        "conv_pos_groups": position["groups"],
    }


def _units(config: Config) -> Fields:
    """The pre-training's head; how many units it has, the tensor tells (``units``, beside fairseq's keys)."""
    width = config.get("final_dim") or config.get("encoder_embed_dim", 768)
    units = {"units": config["units"]} if "units" in config else {}
    return {
        "kind": "masked_unit_prediction",
        "code_size": width,
        "temperature": config.get("logit_temp", 0.1),
        **units,
    }


def _units_written(task: Fields) -> Config:
    return {"final_dim": task["code_size"], "logit_temp": task["temperature"]}


def _ctc(config: Config) -> Fields:
    return {"kind": "ctc", "classes": config.get("vocab_size", 32)}


FAIRSEQ_CONFIG = ConfigTable(
    model_type="hubert",
    says=(
        Key("encoder_embed_dim", "hidden_size", 768),
        Key("encoder_layers", "num_layers", 12),
        Key("encoder_attention_heads", "num_heads", 12),
        Key("encoder_ffn_embed_dim", "intermediate_size", 3072),
        Keys(_USUAL, _waveforms, _convolutions),
        Keys(
            {"layer_norm_first": False},
            lambda config: {"norm_place": "before" if config["layer_norm_first"] else "after"},
            lambda model: {"layer_norm_first": model["norm_place"] == "before"},
        ),
        Key("activation_fn", "activation", "gelu", ACTIVATIONS),
        EPSILON,
    ),
    training=(
        Key("dropout", "dropout", 0.1),
        Key("attention_dropout", "attention_dropout", 0.1),
        Key("activation_dropout", "activation_dropout", 0.0),
        Key("dropout_input", "feature_dropout", 0.0),
    ),
    only=(
        *COMMON,
        Only("conv_pos_batch_norm", (False, None), "the convolution of positions has a weight norm here"),
        Only("layer_type", ("transformer", None), "layers are a transformer's here"),
        Only("pos_enc_type", ("abs", None), "positions are a convolution's here"),
        Only("attn_type", ("", None), "attention is the transformer's own here"),
        Only(
            "target_glu", (False, None), "codes are compared as they are here", of=("masked_unit_prediction",)
        ),
        Only(
            "untie_final_proj", (False, None), "one set of units is told here", of=("masked_unit_prediction",)
        ),
    ),
    # How it is trained, masked and fed; normalize and sample_rate become what the data say.
    nothing=NOTHING
    | frozenset(LABELS)
    | keys(
        """
        apply_mask blank_mode blank_weight conv_pos_kernel crop_seq_to_multiple depthwise_conv_kernel_size
        dropout_features enable_padding feature_grad_mult fine_tuning final_dropout freeze_finetune_updates
        hubert_path label_dir label_rate labels latent_temp mask_channel_before mask_channel_length
        mask_channel_min_space mask_channel_other mask_channel_prob mask_channel_selection mask_length
        mask_min_space mask_other mask_prob mask_selection max_keep_size max_sample_size min_sample_size
        no_mask_channel_overlap no_mask_overlap no_pretrained_weights normalize pad_audio random_crop
        required_seq_len_multiple sample_rate single_target skip_masked skip_nomask w2v_args w2v_path
        units vocab_size checkpoint_name pred_masked_weight pred_nomask_weight
        """
    ),
    tasks=(
        plain("HubertEncoder", "representation"),
        TaskClass(
            "HubertModel",
            ("masked_unit_prediction",),
            _units,
            _units_written,
            ("final_dim", "logit_temp", "units"),
        ),
        TaskClass("HubertCtc", ("ctc",), _ctc, lambda task: {"vocab_size": task["classes"]}, ("vocab_size",)),
    ),
)
