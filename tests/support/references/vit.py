"""ViT and its classifier, at the size of the positions and interpolated to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import transformers
from torch import Tensor

from references.base import ACTIVATIONS, BATCH, Arrays, Family
from zoo_spec.experiment import ExperimentSpec

CLASSES = 7
# An epsilon large enough to show at 1e-10, and sizes that no published model has.
VIT = {
    "image_size": (15, 20),
    "patch_size": 5,
    "channels": 2,
    "hidden_size": 48,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 83,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "layer_norm_epsilon": 3e-3,
}
# The reference takes the learned grid to be square; up in height, down in width.
OTHER_SIZE = {**VIT, "image_size": (35, 10), "position_image_size": (20, 20)}


def vit_config(model: Any) -> transformers.ViTConfig:
    return transformers.ViTConfig(
        image_size=list(model.position_image_size or model.image_size),
        # One number, for the reference's interpolation divides by it.
        patch_size=model.patch_size,
        num_channels=model.channels,
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        hidden_act=ACTIVATIONS[model.activation],
        layer_norm_eps=model.layer_norm_epsilon,
        num_labels=CLASSES,
        # Eager attention takes its softmax in float32 whatever the dtype.
        attn_implementation="sdpa",
    )


def image_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    rng = np.random.default_rng(11)
    shape = (BATCH, *spec.model.image_size, spec.model.channels)
    shift = 0.5 if variant == "brighter" else 0.0
    return {"image": rng.standard_normal(shape) + shift, "labels": np.array([3, 0, 6])}


def drop_pooler(model: Any) -> None:
    """ViT's classifier has none, and so has our representation none."""
    model.pooler = None


def call_vit(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arguments = {
        "pixel_values": given["image"].permute(0, 3, 1, 2),
        "interpolate_pos_encoding": tuple(model.config.image_size) != given["image"].shape[1:3],
    }
    if "labels" in given:
        found = model(**arguments, labels=given["labels"])
        return {"logits": found.logits, "loss": found.loss}
    hidden_states = model(**arguments).last_hidden_state
    return {"hidden_states": hidden_states, "features": hidden_states[:, 0]}


def _family(task: str, reference: str, fields: Mapping[str, Any], **more: Any) -> Family:
    classifier = task == "image_classification"
    return Family(
        "vit",
        task,
        reference,
        vit_config,
        fields,
        call_vit,
        task_fields={"classes": CLASSES} if classifier else {},
        inputs=image_inputs,
        variants=("full", "brighter"),
        rows=("logits" if classifier else "hidden_states",),
        **more,
    )


FAMILIES = {
    "vit": _family("representation", "ViTModel", VIT, prepare=drop_pooler),
    "vit-classifier": _family("image_classification", "ViTForImageClassification", VIT),
    "vit-other-size": _family(
        "image_classification",
        "ViTForImageClassification",
        OTHER_SIZE,
        unsaid=("image_size", "position_image_size"),
    ),
}
