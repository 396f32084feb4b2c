"""Probabilities out of logits, and the likeliest of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.backend import Array

Float64 = NDArray[np.float64]

DIGITS = 8
"""Significant digits that are told: as many as a float32 has."""


def softmax(logits: Array) -> Float64:
    """Probabilities over the last dimension, in float64 whatever the logits are in."""
    wide = np.asarray(logits, np.float64)
    exponentials = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(logits: Array) -> Float64:
    """Probabilities of each logit for itself, in float64 whatever the logits are in."""
    wide = np.asarray(logits, np.float64)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * wide)))


Names = tuple[str, ...] | None
"""What labels are called, in the order of their ids; None where nobody knows."""


def told(label: int, names: Names) -> JsonValue:
    """The label's name, or its id where it has none."""
    return label if names is None else names[label]


def label_of(logits: Array, names: Names = None) -> dict[str, JsonValue]:
    """Of ``logits [labels]`` the label that they rank first, its probability, and the probability of each."""
    probabilities = softmax(logits)
    label = int(np.argmax(probabilities))
    return {
        "label": told(label, names),
        "probability": rounded(probabilities[label]),
        "probabilities": [rounded(each) for each in probabilities],
    }


def rounded(probability: float | np.floating) -> float:
    """The value to as many digits as it has meaning, in its shortest form."""
    return float(f"{float(probability):.{DIGITS}g}")


def likeliest(probabilities: Float64, count: int) -> list[int]:
    """Indices of the ``count`` largest values of ``[kinds]``, the largest first; of equals the lower index."""
    count = min(count, len(probabilities))
    least = np.partition(probabilities, -count)[-count]
    # Not argpartition: of equals at the border it takes any.
    candidates = np.flatnonzero(probabilities >= least)
    order = np.argsort(-probabilities[candidates], kind="stable")
    return [int(index) for index in candidates[order][:count]]
