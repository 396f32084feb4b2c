"""Image classification: one label an image."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import ClassCount, Rate
from zoo_spec.blocks.heads import ClassifierHead
from zoo_spec.blocks.losses import SoftmaxCrossEntropy
from zoo_spec.data.records import LabelledImage, Record
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks import predictions
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import Metric, by_class
from zoo_spec.tasks.predictions import Prediction
from zoo_spec.tensors import INT, TensorSpec


class ImageClassification(Task):
    """A dense layer to the classes, softmax cross-entropy, accuracy."""

    kind: Literal["image_classification"] = "image_classification"
    classes: ClassCount = 10
    """Number of classes."""
    label_smoothing: Rate = 0.0
    """Probability spread evenly over all classes."""
    needs: ClassVar[tuple[str, ...]] = ("features",)
    default_data: ClassVar[str] = "images"
    learns_from: ClassVar[tuple[type[Record], ...]] = (LabelledImage,)

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``classifier`` and ``classification_loss``; outputs ``logits`` and ``loss``."""
        assert backbone.features is not None
        head = ClassifierHead(classes=self.classes, initializer=backbone.initializer)
        logits = graph.add("classifier", head, backbone.features())
        labels = graph.input(
            "labels", TensorSpec(("batch",), INT, optional=True, description="the class"), label=True
        )
        loss = SoftmaxCrossEntropy(label_smoothing=self.label_smoothing)
        graph.output("logits", logits)
        graph.loss(graph.add("classification_loss", loss, logits, labels))

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy``, and precision, recall and F1 as means over classes."""
        return by_class()

    def prediction(self) -> Prediction:
        """A label for each image."""
        return predictions.ImageLabel(("logits",))
