"""ViT-B/16, 8 images of 224 by 224."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from family_steps.family import Family, KerasHub, Transformers
from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case


def draw(case: Case, rows: int) -> Arrays:
    rng, model = np.random.default_rng(0), case.spec.model
    return {
        "image": rng.standard_normal((rows, *model.image_size, model.channels), np.float32),
        "labels": rng.integers(0, case.spec.task.classes, (rows,), np.int32),
    }


def transformers_model(case: Case) -> Any:
    from transformers import ViTConfig, ViTForImageClassification

    model = case.spec.model
    return ViTForImageClassification(
        ViTConfig(
            image_size=model.image_size[0],
            patch_size=model.patch_size,
            num_channels=model.channels,
            hidden_size=model.hidden_size,
            num_hidden_layers=model.num_layers,
            num_attention_heads=model.num_heads,
            intermediate_size=model.intermediate_size,
            num_labels=case.spec.task.classes,
        )
    )


def transformers_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Its images have their channels first, laid out so by whoever reads them."""
    found = {"pixel_values": given["image"].permute(0, 3, 1, 2).contiguous()}
    return found | ({"labels": given["labels"].long()} if "labels" in given else {})


def kerashub_model(case: Case) -> Any:
    import keras_hub

    model = case.spec.model
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(*model.image_size, model.channels),
        patch_size=model.patch_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.hidden_size,
        mlp_dim=model.intermediate_size,
    )
    return keras_hub.models.ViTImageClassifier(
        backbone=backbone, num_classes=case.spec.task.classes, activation=None
    )


FAMILY = Family(
    "vit",
    "vit_b16",
    draw,
    rows=8,
    settings=("model.dropout=0.0", "model.activation_dropout=0.0"),
    tiny=(
        "model.num_layers=2",
        "model.hidden_size=128",
        "model.num_heads=2",
        "model.intermediate_size=512",
    ),
    transformers=Transformers(transformers_model, transformers_arguments),
    kerashub=KerasHub(kerashub_model, lambda given: given["image"], lambda given: given["labels"]),
)
