"""What the families that predict the next token share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case


def draw(case: Case, rows: int) -> Arrays:
    """Tokens, the ones after them as labels, and none for the last."""
    rng, shape = np.random.default_rng(0), (rows, case.batch_length)
    ids = rng.integers(5, case.spec.model.vocab_size, shape, np.int32)
    weights = np.ones(shape, np.float32)
    weights[:, -1] = 0
    return {
        "input_ids": ids,
        "example_ids": np.ones(shape, np.int32),
        "labels": np.roll(ids, -1, axis=1),
        "label_weights": weights,
    }


def transformers_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """It moves the labels by one itself."""
    found = {"input_ids": given["input_ids"].long(), "attention_mask": given["example_ids"].long()}
    return found | ({"labels": found["input_ids"]} if "labels" in given else {})


def kerashub_features(given: Arrays) -> Any:
    return {"token_ids": given["input_ids"], "padding_mask": given["example_ids"]}


def kerashub_labels(given: Arrays) -> Any:
    return given["labels"]
