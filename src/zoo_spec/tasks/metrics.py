"""Metrics as a task declares them; ``zoo_common.metrics`` computes each kind, by its class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Metric:
    """A number that an evaluation reports, of the output ``logits`` against the input ``labels``.

    A class is a kind. ``weights`` names the input that weights each label, all alike where it is left out; None for
    all alike. ``counted`` names an input that is no weight of the metric, and is 0 where there is no
    label, or a packed row has no example.
    """

    kind: ClassVar[str] = "metric"
    """What the reference calls it."""
    name: str
    logits: str
    labels: str
    weights: str | None = None
    counted: str | None = field(default=None, kw_only=True)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads."""
        return (self.logits,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs without which it counts nothing."""
        return (self.labels,)


class Accuracy(Metric):
    """The share, by weight, of labels that the logits rank first."""

    kind = "accuracy"


class Perplexity(Metric):
    """``exp`` of the mean, by weight, of ``-ln p`` of the labels, without any label smoothing."""

    kind = "perplexity"


class BinaryAccuracy(Metric):
    """The share of labels, 0 or 1, that a logit has right; one above 0 says 1."""

    kind = "binary_accuracy"


class BinaryF1(Metric):
    """The harmonic mean of precision and recall of the labels that are 1, over all labels; a logit above 0 says 1."""

    kind = "binary_f1"


class MacroPrecision(Metric):
    """Of what ranks first as a class, the share that is of it; the mean over classes that occur on either side."""

    kind = "macro_precision"


class MacroRecall(Metric):
    """Of what is of a class, the share that ranks first as it; the mean over classes that occur on either side."""

    kind = "macro_recall"


class MacroF1(Metric):
    """The harmonic mean of a class' precision and recall, the mean over classes that occur on either side."""

    kind = "macro_f1"


class F1OfOne(Metric):
    """The harmonic mean of class 1's precision and recall."""

    kind = "f1_of_one"


class Matthews(Metric):
    """Matthews' correlation of the classes that are labelled and those that rank first (Gorodkin, 2004, of many)."""

    kind = "matthews"


class BinaryMacroPrecision(Metric):
    """Of what a logit says is 1, the share that is; the mean over labels."""

    kind = "binary_macro_precision"


class BinaryMacroRecall(Metric):
    """Of what is 1, the share of which a logit says so; the mean over labels."""

    kind = "binary_macro_recall"


class BinaryMacroF1(Metric):
    """The harmonic mean of a label's precision and recall, the mean over labels."""

    kind = "binary_macro_f1"


class BinaryIou(Metric):
    """Intersection over union of the labels that are 1 and the logits, above 0, that say so."""

    kind = "binary_iou"


class Correlation(Metric):
    """Pearson's, of predicted and labelled numbers."""

    kind = "correlation"


class Spearman(Metric):
    """Spearman's correlation: Pearson's of the ranks, of which those that are alike have the mean."""

    kind = "spearman"


class MeanIou(Metric):
    """Intersection over union of what is labelled and what ranks first, the mean over classes."""

    kind = "mean_iou"


class ImageDice(Metric):
    """Dice of each image and class but the background, 1 where both have none of it; the mean over these.

    So the competition on Severstal's steel counts.
    """

    kind = "image_dice"


class MeanDice(Metric):
    """Twice the intersection of what is labelled and what ranks first over the sum of both, the mean over classes."""

    kind = "mean_dice"


@dataclass(frozen=True)
class SpanMetric(Metric):
    """Of the best span by ``logits``, where it starts, and ``end_logits``, against the labelled one.

    In rows whose ``token_type_ids`` tell two texts apart, the best span stands in the second, or is no answer.
    """

    end_logits: str = ""
    end_labels: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Both logits."""
        return (self.logits, self.end_logits)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Both labels."""
        return (*super().inputs, self.end_labels)


class SpanExactMatch(SpanMetric):
    """The share of examples whose best span is the labelled one."""

    kind = "span_exact_match"


class SpanF1(SpanMetric):
    """The mean of F1 between the positions of the best span and of the labelled one."""

    kind = "span_f1"


@dataclass(frozen=True)
class TextMetric(Metric):
    """What the output ``logits`` say, put into text, against what the records say that the examples come from.

    It may be several numbers, ``names``. Where the examples come from no records, as drawn ones, there are none.
    """

    asks_model: ClassVar[bool] = False
    """Whether the model has to run again for it, which evaluations in the middle of training leave out."""
    labels: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What its numbers are called."""
        return (self.name,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """None: the records say what is right."""
        return ()


class EntityScores(TextMetric):
    """Precision, recall and F1 of exact entities over all types, on words, as conlleval defines them."""

    kind = "entity_scores"

    @property
    def names(self) -> tuple[str, ...]:
        """Each with ``name`` in front."""
        return tuple(f"{self.name}_{score}" for score in ("precision", "recall", "f1"))


class BitsPerByte(TextMetric):
    """``-log2 p`` of all labels over the bytes (UTF-8) of the text that they are tokens of, whatever the tokenizer.

    A document's first token, which nothing predicts, counts on neither side; that it ends costs bits and no byte.
    """

    kind = "bits_per_byte"


def by_class(weights: str | None = None, *, counted: str | None = None) -> tuple[Metric, ...]:
    """What a task that gives each of its ``labels`` one class reports beside the loss."""
    kinds = (Accuracy, MacroPrecision, MacroRecall, MacroF1)
    return tuple(kind(kind.kind, "logits", "labels", weights, counted=counted) for kind in kinds)
