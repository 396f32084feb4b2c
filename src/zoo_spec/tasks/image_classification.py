"""Image classification: one label an image."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from zoo_spec.base import ClassCount, Rate
from zoo_spec.blocks.heads import ClassifierHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.data.records import LabelledImage, Record
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.class_weights import ClassWeights, require_one_each
from zoo_spec.tasks.metrics import Metric, by_class
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec


class ImageClassification(Task):
    """A dense layer to the classes, softmax cross-entropy, accuracy."""

    kind: Literal["image_classification"] = "image_classification"
    classes: ClassCount = 10
    """Number of classes."""
    label_smoothing: Rate = 0.0
    """Probability spread evenly over all classes."""
    class_weights: ClassWeights | None = None
    """What an image counts in the loss, by its class in the order of ids; the loss is a mean by these weights.
    ``balanced``: as many as all training images make if each class had the same number of them."""
    needs: ClassVar[tuple[str, ...]] = ("features",)
    default_data: ClassVar[str] = "images"
    learns_from: ClassVar[tuple[type[Record], ...]] = (LabelledImage,)

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        require_one_each(self.class_weights, self.classes)
        return self

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``classifier`` and ``classification_loss``; outputs ``logits`` and ``loss``."""
        assert backbone.features is not None
        head = ClassifierHead(classes=self.classes, initializer=backbone.initializer)
        logits = graph.add("classifier", head, backbone.features())
        labels = graph.input(
            "labels", TensorSpec(("batch",), INT, optional=True, description="the class"), label=True
        )
        loss = SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        weights = None
        if self.class_weights is not None:
            weighs = TensorSpec(
                ("batch",), FLOAT32, optional=True, description="what it counts, by its class"
            )
            weights = graph.input("label_weights", weighs, label=True)
        graph.output("logits", logits)
        graph.loss(graph.add("classification_loss", loss, logits, labels, weights=weights))

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy``, and precision, recall and F1 as means over classes."""
        return by_class()

    def prediction(self) -> Prediction:
        """A label for each image."""
        return predictions.ImageLabel(("logits",))
