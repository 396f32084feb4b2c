"""From a user's own images and text to answers: what ``zoo predict`` does. The runners' ``predict`` takes batches."""

from __future__ import annotations

from zoo_common.prediction import (
    answer_span,
    chosen_sentences,
    embeddings,
    generated_text,
    image_label,
    masked_words,
    masks,
    next_words,
    sounds,
    text_labels,
    token_labels,
)
from zoo_common.prediction.base import Answer, Item, Predictor, ReadsDocuments, ReadsFolders, predict
from zoo_common.prediction.lines import Line, in_folders, lines_of, read_lines
from zoo_common.prediction.opening import Asked, open_prediction, open_predictor

__all__ = [
    "Answer",
    "Asked",
    "Item",
    "Line",
    "Predictor",
    "ReadsDocuments",
    "ReadsFolders",
    "answer_span",
    "chosen_sentences",
    "embeddings",
    "generated_text",
    "image_label",
    "in_folders",
    "lines_of",
    "masked_words",
    "masks",
    "next_words",
    "open_prediction",
    "open_predictor",
    "predict",
    "read_lines",
    "sounds",
    "text_labels",
    "token_labels",
]
