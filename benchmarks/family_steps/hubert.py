"""HuBERT base with its CTC head, 2 rows of 2 seconds, which no other library has in TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from family_steps.family import Family, Transformers
from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case

LABELS = 20


def draw(case: Case, rows: int) -> Arrays:
    rng, samples = np.random.default_rng(0), case.batch_length
    return {
        "waveform": rng.standard_normal((rows, samples), np.float32),
        "sample_ids": np.ones((rows, samples), np.int32),
        "labels": rng.integers(1, case.spec.task.classes, (rows, LABELS), np.int32),
        "label_weights": np.ones((rows,), np.float32),
    }


def transformers_model(case: Case) -> Any:
    from transformers import HubertConfig, HubertForCTC

    dropouts = ("hidden", "activation", "attention", "feat_proj", "final")
    return HubertForCTC(
        HubertConfig(
            **{f"{name}_dropout": 0.0 for name in dropouts},
            layerdrop=0.0,
            apply_spec_augment=False,
            num_hidden_layers=case.spec.model.num_layers,
            vocab_size=case.spec.task.classes,
            ctc_loss_reduction="mean",
        )
    )


def transformers_arguments(given: dict[str, Any]) -> dict[str, Any]:
    found = {"input_values": given["waveform"], "attention_mask": given["sample_ids"].long()}
    return found | ({"labels": given["labels"].long()} if "labels" in given else {})


FAMILY = Family(
    "hubert",
    "hubert_base_ctc",
    draw,
    rows=2,
    length=32000,
    settings=("model.activation_dropout=0.0",),
    tiny=("model.num_layers=1",),
    transformers=Transformers(transformers_model, transformers_arguments),
    share=0.75,
)
