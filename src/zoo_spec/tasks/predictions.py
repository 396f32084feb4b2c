"""What tasks predict, as they declare it; ``zoo_common.prediction`` makes each kind, by its class."""

from __future__ import annotations

from dataclasses import dataclass, field

from zoo_spec.tasks.answer_rules import AnswerRules


@dataclass(frozen=True)
class Prediction:
    """From what a task predicts and in which form, which is its class; ``outputs`` are what the graph must have."""

    outputs: tuple[str, ...] = ()


class ImageLabel(Prediction):
    """Images; for each its label and every label's probability."""


class Masks(Prediction):
    """Images; for each the class of each of its pixels, as an image."""


class MaskedWords(Prediction):
    """Text with ``[MASK]``; for each mask the likeliest words."""


class NextWords(Prediction):
    """Text; the likeliest words to go on with."""


class Embeddings(Prediction):
    """Text; the vectors of its tokens, and of the whole where the graph pools."""


class TextLabel(Prediction):
    """Text; its class."""


class TextLabels(Prediction):
    """Text; its labels."""


class TextNumber(Prediction):
    """Text; a number."""


class TokenLabels(Prediction):
    """Text; a class for each token."""


@dataclass(frozen=True)
class AnswerSpan(Prediction):
    """A question and a text; the part of it from the start to the end that two outputs rank."""

    rules: AnswerRules = field(default_factory=AnswerRules)


class GeneratedText(Prediction):
    """Text; the text that is made of it, token after token."""


class ChosenSentences(Prediction):
    """Text; the sentences of it that make its summary."""
