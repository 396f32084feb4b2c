"""One answer for a whole text: a class, several labels, or a number (Devlin et al., 2019, 4.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo_spec.base import ClassCount, PositiveInt, Rate
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.heads import ClassifierHead, ScoreHead
from zoo_spec.blocks.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy, SquaredError
from zoo_spec.data.records import LabelledText, Record
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.class_weights import ClassWeights, require_one_each
from zoo_spec.tasks.metrics import (
    BinaryAccuracy,
    BinaryF1,
    BinaryMacroF1,
    BinaryMacroPrecision,
    BinaryMacroRecall,
    Correlation,
    F1OfOne,
    Matthews,
    Metric,
    Spearman,
    by_class,
)
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

_READ = ("logits", "labels", "label_weights")


class SequenceTask(Task):
    """Base of the tasks that read ``pooled``: dropout and a dense layer on it, ``classifier``.

    A family decides what ``pooled`` is: BERT's pooled first token, a causal decoder's last token.
    """

    dropout: Rate | None = None
    """Dropout rate of the pooled vector; the model's own if left out."""
    bias: bool = True
    """Whether the dense layer has a bias; that of ``transformers`` has none after a causal decoder."""
    needs: ClassVar[tuple[str, ...]] = ("pooled",)
    learns_from: ClassVar[tuple[type[Record], ...]] = (LabelledText,)
    use: ClassVar[str] = "downstream task"

    def _attach(
        self,
        graph: GraphBuilder,
        backbone: Backbone,
        head: Block,
        labels: TensorSpec,
        loss: Loss,
    ) -> None:
        """``classifier`` and ``classification_loss``; outputs ``hidden_states``, ``pooled``, ``logits``, ``loss``."""
        assert backbone.pooled is not None
        pooled = backbone.pooled()
        logits = graph.add("classifier", head, pooled)
        if backbone.hidden_states is not None:
            graph.output("hidden_states", backbone.hidden_states)
        graph.output("pooled", pooled)
        graph.output("logits", logits)
        given = graph.input("labels", labels, label=True)
        weights = replace(
            labels, dtype=FLOAT32, description="what it counts; 0 where a packed row has no example"
        )
        weighed = graph.input("label_weights", weights, label=True)
        graph.loss(graph.add("classification_loss", loss, logits, given, weights=weighed))

    def _dropout(self, backbone: Backbone) -> float:
        return backbone.dropout if self.dropout is None else self.dropout


class SequenceClassification(SequenceTask):
    """One of several classes: a logit each, softmax cross-entropy, accuracy."""

    kind: Literal["sequence_classification"] = "sequence_classification"
    default_data: ClassVar[str] = "python_chapters"
    classes: ClassCount = 2
    """Number of classes."""
    label_smoothing: Rate = 0.0
    """Probability spread evenly over all classes."""
    class_weights: ClassWeights | None = None
    """What an example counts in the loss, by its class in the order of ids; the loss is a mean by these weights.
    ``balanced``: as many as all training examples make if each class had the same number of them."""

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        require_one_each(self.class_weights, self.classes)
        return self

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``labels [batch]`` and ``label_weights``; outputs ``logits [batch, classes]`` and ``loss``."""
        head = ClassifierHead(
            classes=self.classes,
            dropout=self._dropout(backbone),
            bias=self.bias,
            initializer=backbone.initializer,
        )
        labels = TensorSpec(("batch",), INT, optional=True, description="the class")
        loss = SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        self._attach(graph, backbone, head, labels, loss)

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy``, precision, recall and F1 as means over classes, ``matthews``; of two classes ``f1`` of 1."""
        # What a class counts in the loss says nothing of how often the model is right.
        weights, counted = (_READ[-1], None) if self.class_weights is None else (None, _READ[-1])
        of_two = (F1OfOne("f1", "logits", "labels", weights, counted=counted),) if self.classes == 2 else ()
        matthews = Matthews("matthews", "logits", "labels", weights, counted=counted)
        return (*by_class(weights, counted=counted), matthews, *of_two)

    def prediction(self) -> Prediction:
        """A class for each text."""
        return predictions.TextLabel(("logits",))


class SequenceMultiLabelClassification(SequenceTask):
    """Any number of labels at once: a logit each, sigmoid cross-entropy, the mean over texts and labels."""

    kind: Literal["sequence_multi_label_classification"] = "sequence_multi_label_classification"
    default_data: ClassVar[str] = "unicode_properties"
    classes: PositiveInt = 2
    """Number of labels."""

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``labels`` and ``label_weights [batch, classes]``; outputs ``logits [batch, classes]`` and ``loss``."""
        head = ClassifierHead(
            classes=self.classes,
            dropout=self._dropout(backbone),
            bias=self.bias,
            initializer=backbone.initializer,
        )
        spec = TensorSpec(("batch", self.classes), INT, optional=True, axes=("batch", "classes"),
                          description="1 for each label that it has, else 0")  # fmt: skip
        self._attach(graph, backbone, head, spec, SigmoidCrossEntropy())

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` over texts and labels, ``f1`` of the labels that are 1, and means over labels."""
        return (
            BinaryAccuracy("accuracy", *_READ),
            BinaryF1("f1", *_READ),
            BinaryMacroPrecision("macro_precision", *_READ),
            BinaryMacroRecall("macro_recall", *_READ),
            BinaryMacroF1("macro_f1", *_READ),
        )

    def prediction(self) -> Prediction:
        """The labels of each text."""
        return predictions.TextLabels(("logits",))


class SequenceRegression(SequenceTask):
    """A number: the mean of the squared error, and Pearson's and Spearman's correlation."""

    kind: Literal["sequence_regression"] = "sequence_regression"
    default_data: ClassVar[str] = "unicode_numbers"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``labels [batch]``, floats, and ``label_weights``; outputs ``logits [batch]`` and ``loss``."""
        head = ScoreHead(dropout=self._dropout(backbone), bias=self.bias, initializer=backbone.initializer)
        labels = TensorSpec(("batch",), FLOAT32, optional=True, description="the number")
        self._attach(graph, backbone, head, labels, SquaredError())

    def metrics(self) -> tuple[Metric, ...]:
        """``correlation``, Pearson's, and ``spearman``."""
        return (Correlation("correlation", *_READ), Spearman("spearman", *_READ))

    def prediction(self) -> Prediction:
        """A number for each text."""
        return predictions.TextNumber(("logits",))
