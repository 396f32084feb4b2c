"""From a user's own images and text to answers: what ``zoo predict`` does. The runners' ``predict`` takes batches."""

from __future__ import annotations

from zoo_common.prediction import (
    answer_span,
    embeddings,
    generated_text,
    image_label,
    masked_words,
    next_words,
    text_labels,
    token_labels,
)
from zoo_common.prediction.base import Answer, Item, Predictor, predict
from zoo_common.prediction.lines import Line, lines_of, read_lines
from zoo_common.prediction.opening import Asked, open_prediction, open_predictor

__all__ = [
    "Answer",
    "Asked",
    "Item",
    "Line",
    "Predictor",
    "answer_span",
    "embeddings",
    "generated_text",
    "image_label",
    "lines_of",
    "masked_words",
    "next_words",
    "open_prediction",
    "open_predictor",
    "predict",
    "read_lines",
    "text_labels",
    "token_labels",
]
