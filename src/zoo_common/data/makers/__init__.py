"""From records to the examples that a task learns from; they know no file.

A maker that is shipped is imported here, and registers itself.
"""

from __future__ import annotations

from zoo_common.data.makers import (
    answers,
    ctc_examples,
    extractive,
    image_examples,
    labelled_examples,
    mask_examples,
    prepared_examples,
    question_examples,
    running_text,
    text_to_text,
    unit_examples,
    word_examples,
)

__all__ = [
    "answers",
    "ctc_examples",
    "extractive",
    "image_examples",
    "labelled_examples",
    "mask_examples",
    "prepared_examples",
    "question_examples",
    "running_text",
    "text_to_text",
    "unit_examples",
    "word_examples",
]
