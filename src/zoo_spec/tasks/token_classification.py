"""A class for each token, such as the kind of name that it belongs to (Devlin et al., 2019, 5.3)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo_spec.base import ClassCount, Rate
from zoo_spec.blocks.heads import ClassifierHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.data.records import LabelledWords, Record
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.models.inputs import TOKENS
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.class_weights import TokenClassWeights, require_one_each
from zoo_spec.tasks.metrics import EntityScores, Metric, by_class
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class TokenClassification(Task):
    """Dropout and a dense layer on every hidden state.

    ``label_weights`` are 1, or the class' weight, where a token is labelled: a word's first piece, and no special
    token or padding.
    """

    kind: Literal["token_classification"] = "token_classification"
    classes: ClassCount = 9
    """Number of classes; CoNLL-2003 has four kinds of names, each begun and continued, and none."""
    label_smoothing: Rate = 0.0
    """Probability spread evenly over all classes."""
    class_weights: TokenClassWeights | None = None
    """What a labelled token counts in the loss, by its class in the order of ids; the loss is a mean by these
    weights. ``balanced``: as many as all words of training make if each class had the same number of them."""
    dropout: Rate | None = None
    """Dropout rate of the hidden states; the model's own if left out."""
    needs: ClassVar[tuple[str, ...]] = ("hidden_states",)
    reads_tokens: ClassVar[bool] = True
    learns_from: ClassVar[tuple[type[Record], ...]] = (LabelledWords,)
    use: ClassVar[str] = "downstream task"

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        require_one_each(self.class_weights, self.classes)
        return self

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """Outputs ``hidden_states``, ``logits [batch, sequence, classes]`` and ``loss``."""
        assert backbone.hidden_states is not None
        head = ClassifierHead(
            classes=self.classes,
            dropout=backbone.dropout if self.dropout is None else self.dropout,
            initializer=backbone.initializer,
        )
        logits = graph.add("token_classifier", head, backbone.hidden_states)
        labels = TensorSpec(TOKENS, INT, optional=True, description="each token's class")
        weights = TensorSpec(TOKENS, FLOAT32, optional=True, description="0 where a token has no label")
        graph.output("hidden_states", backbone.hidden_states)
        graph.output("logits", logits)
        graph.loss(
            graph.add(
                "classification_loss",
                SoftmaxCrossEntropy(label_smoothing=self.label_smoothing),
                logits,
                graph.input("labels", labels, label=True),
                weights=graph.input("label_weights", weights, label=True),
            )
        )

    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy and means over classes of labelled tokens; of labelled words, the scores of their entities."""
        # What a class counts in the loss says nothing of how often the model is right.
        weights, counted = ("label_weights", None) if self.class_weights is None else (None, "label_weights")
        return (*by_class(weights, counted=counted), EntityScores("entity", "logits"))

    def prediction(self) -> Prediction:
        """A class for each token."""
        return predictions.TokenLabels(("logits",))
