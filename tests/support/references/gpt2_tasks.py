"""GPT-2's fine-tuning tasks: a whole text is told by its last token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from references.base import BATCH, LENGTH, Arrays, Family, token_inputs
from references.gpt import GPT2, gpt2_config
from zoo_spec.experiment import ExperimentSpec

CLASSES, PADDING = 5, 0


def with_labels(labels: np.ndarray) -> Callable[[ExperimentSpec, str], Arrays]:
    """The reference tells padding by its token, so no other position has it."""

    def inputs(spec: ExperimentSpec, variant: str) -> Arrays:
        drawn = token_inputs(spec, variant)
        ids = np.maximum(drawn["input_ids"], PADDING + 1)
        drawn["input_ids"] = np.where(drawn.get("example_ids", 1), ids, PADDING)
        return {**drawn, "labels": labels, "label_weights": np.ones(labels.shape)}

    return inputs


def config_for(problem: str | None, classes: int) -> Callable[[Any], transformers.GPT2Config]:
    def config(model: Any) -> transformers.GPT2Config:
        found = gpt2_config(model)
        found.num_labels, found.problem_type, found.pad_token_id = classes, problem, PADDING
        return found

    return config


def call(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = model(
        input_ids=given["input_ids"],
        attention_mask=given.get("example_ids"),
        labels=given["labels"],
        output_hidden_states=True,
    )
    hidden = found.hidden_states[-1]
    if hasattr(model, "classifier"):
        return {"hidden_states": hidden, "logits": found.logits, "loss": found.loss}
    last = (given["input_ids"] != PADDING).sum(1) - 1
    logits = found.logits[:, 0] if model.config.problem_type == "regression" else found.logits
    return {
        "hidden_states": hidden,
        "pooled": hidden[torch.arange(len(last)), last],
        "logits": logits,
        "loss": found.loss,
    }


_RNG = np.random.default_rng(5)
_VARIANTS = ("full", "padded")

FAMILIES = {
    "gpt2-classification": Family(
        "gpt2",
        "sequence_classification",
        "GPT2ForSequenceClassification",
        config_for("single_label_classification", CLASSES),
        GPT2,
        call,
        task_fields={"classes": CLASSES, "bias": False},
        inputs=with_labels(_RNG.integers(0, CLASSES, BATCH)),
        variants=_VARIANTS,
        witness=LENGTH - 1,
    ),
    "gpt2-regression": Family(
        "gpt2",
        "sequence_regression",
        "GPT2ForSequenceClassification",
        config_for("regression", 1),
        GPT2,
        call,
        task_fields={"bias": False},
        inputs=with_labels(_RNG.standard_normal(BATCH)),
        variants=_VARIANTS,
        witness=LENGTH - 1,
    ),
    "gpt2-token-classification": Family(
        "gpt2",
        "token_classification",
        "GPT2ForTokenClassification",
        config_for(None, CLASSES),
        GPT2,
        call,
        task_fields={"classes": CLASSES},
        inputs=with_labels(_RNG.integers(0, CLASSES, (BATCH, LENGTH))),
        # The reference's loss counts padding's labels too.
        variants=("full",),
        rows=("hidden_states", "logits"),
    ),
}
