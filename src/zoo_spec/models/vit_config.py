"""ViT's configuration as ``transformers`` writes it."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import ACTIVATIONS, Config, ConfigTable, Fields, Key, Keys, Only
from zoo_spec.foreign.hub import EVERYWHERE, LABELS, NOTHING, labelled, plain
from zoo_spec.models.bert_config import RATES, SIZES


def _sides(key: str, value: JsonValue) -> list[JsonValue]:
    sides: list[JsonValue] = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise ValueError(f"{key} is {value!r}, and a size, or height and width, are expected")
    return sides


def _images(config: Config) -> Fields:
    patch = _sides("patch_size", config["patch_size"])
    if patch[0] != patch[1]:
        raise ValueError(f"patch_size is {patch}, and patches are square here")
    return {"image_size": _sides("image_size", config["image_size"]), "patch_size": patch[0]}


def _learned(model: Fields) -> Config:
    sides = model["position_image_size"] or model["image_size"]
    assert isinstance(sides, list)
    return {"image_size": sides[0] if sides[0] == sides[1] else sides, "patch_size": model["patch_size"]}


TRANSFORMERS = ConfigTable(
    model_type="vit",
    says=(
        Keys({"image_size": 224, "patch_size": 16}, _images, _learned),
        Key("num_channels", "channels", 3),
        *SIZES,
        Key("hidden_act", "activation", "gelu", ACTIVATIONS),
        Key("layer_norm_eps", "layer_norm_epsilon", 1e-12),
    ),
    training=(
        Key("hidden_dropout_prob", "dropout", 0.0),
        Key("attention_probs_dropout_prob", "attention_dropout", 0.0),
        RATES[-1],
    ),
    only=(*EVERYWHERE, Only("qkv_bias", (True,), "queries, keys and values have biases here")),
    # What is pooled, and how images are drawn again, belongs to no classifier.
    nothing=NOTHING
    | frozenset(LABELS)
    | frozenset(("encoder_stride", "pooler_act", "pooler_output_size", "problem_type")),
    tasks=(
        plain("ViTModel", "representation", draws="a pooler"),
        labelled("ViTForImageClassification", "image_classification"),
    ),
    authors={
        "activation": ("gelu_tanh", "flax, which trained the published weights, computes GELU by tanh"),
        "layer_norm_epsilon": (1e-6, "flax, which trained the published weights, has 1e-6 in every norm"),
    },
)

VIT_CONFIGS = {"transformers": TRANSFORMERS}
