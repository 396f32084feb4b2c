"""Metrics over a whole evaluation, computed from outputs and labels. One file a kind."""

from __future__ import annotations

from zoo_common.metrics import (
    accuracy,
    binary,
    chosen_sentences,
    classes,
    correlation,
    entities,
    generated_texts,
    image_dice,
    likelihood,
    overlap,
    span,
    squad,
    transcripts,
)
from zoo_common.metrics.base import Counter, open_metric
from zoo_common.metrics.kinds import metric_kinds
from zoo_common.metrics.texts import TextCounter, open_text_metric

__all__ = [
    "Counter",
    "TextCounter",
    "accuracy",
    "binary",
    "chosen_sentences",
    "classes",
    "correlation",
    "entities",
    "generated_texts",
    "image_dice",
    "likelihood",
    "metric_kinds",
    "open_metric",
    "open_text_metric",
    "overlap",
    "span",
    "squad",
    "transcripts",
]
