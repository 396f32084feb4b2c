"""Segmentation: a label for each pixel, of two kinds or of several."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import ClassCount, PositiveFloat
from zoo_spec.blocks.heads import ClassifierHead, ScoreHead
from zoo_spec.blocks.losses import (
    Loss,
    SigmoidCrossEntropy,
    SigmoidDice,
    SoftmaxCrossEntropy,
    SoftmaxDice,
    SumLosses,
)
from zoo_spec.data.records import MaskedImage, Record
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Backbone
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import (
    Accuracy,
    BinaryAccuracy,
    BinaryF1,
    BinaryIou,
    ImageDice,
    MeanDice,
    MeanIou,
    Metric,
)
from zoo_spec.tasks.predictions import Masks, Prediction
from zoo_spec.tensors import FLOAT32, INT, TensorSpec

_PARTS = {
    "cross_entropy": ("cross_entropy",),
    "dice": ("dice",),
    "cross_entropy_dice": ("cross_entropy", "dice"),
}
"""What each choice of a loss is the sum of."""


class DenseLabelling(Task):
    """A dense layer over each pixel's channels; cross-entropy, Dice or their sum, each pixel with its weight."""

    loss: Literal["cross_entropy", "dice", "cross_entropy_dice"] = "cross_entropy"
    """What is minimised; cross_entropy_dice is the sum of both."""
    dice_smoothing: PositiveFloat = 1.0
    """Added to both sides of the Dice coefficient."""
    needs: ClassVar[tuple[str, ...]] = ("feature_map",)
    default_data: ClassVar[str] = "generated_shapes"
    learns_from: ClassVar[tuple[type[Record], ...]] = (MaskedImage,)
    use: ClassVar[str] = "downstream task"

    def attach(self, graph: GraphBuilder, backbone: Backbone) -> None:
        """``classifier`` and the losses; outputs ``logits`` and ``loss``."""
        assert backbone.feature_map is not None
        logits = graph.add("classifier", self._head(backbone), backbone.feature_map)
        image = graph.resolve(backbone.feature_map)
        pixels, axes = image.shape[:-1], image.named_axes[:-1]
        labels = TensorSpec(pixels, INT, optional=True, axes=axes, description="the class of each pixel")
        weights = TensorSpec(
            pixels, FLOAT32, optional=True, axes=axes, description="0 where a pixel does not count"
        )
        given = {
            "labels": graph.input("labels", labels, label=True),
            "weights": graph.input("label_weights", weights, label=True),
        }
        graph.output("logits", logits)
        blocks = self._losses()
        losses = [
            graph.place(f"{name}_loss", blocks[name], {"logits": logits, **given})
            for name in _PARTS[self.loss]
        ]
        graph.loss(losses[0] if len(losses) == 1 else graph.add("loss", SumLosses(), *losses))

    def prediction(self) -> Prediction:
        """A mask for each image."""
        return Masks(("logits",))

    def _head(self, backbone: Backbone) -> ClassifierHead | ScoreHead:
        raise TypeError(f"{type(self).__name__} has no head")

    def _losses(self) -> dict[str, Loss]:
        raise TypeError(f"{type(self).__name__} has no losses")


class Segmentation(DenseLabelling):
    """Several classes, the background one of them: ``logits [batch, height, width, classes]``, softmax."""

    kind: Literal["segmentation"] = "segmentation"
    classes: ClassCount = 2
    """Number of classes."""

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` over pixels; ``mean_iou`` and ``mean_dice`` over the classes that occur; ``image_dice``."""
        return (
            Accuracy("accuracy", "logits", "labels", "label_weights"),
            MeanIou("mean_iou", "logits", "labels", "label_weights"),
            MeanDice("mean_dice", "logits", "labels", "label_weights"),
            ImageDice("image_dice", "logits", "labels", "label_weights"),
        )

    def _head(self, backbone: Backbone) -> ClassifierHead:
        return ClassifierHead(classes=self.classes, initializer=backbone.initializer)

    def _losses(self) -> dict[str, Loss]:
        return {"cross_entropy": SoftmaxCrossEntropy(), "dice": SoftmaxDice(smoothing=self.dice_smoothing)}


class BinarySegmentation(DenseLabelling):
    """One class, 1, against the background, 0: ``logits [batch, height, width]``, sigmoid; above 0 is 1."""

    kind: Literal["binary_segmentation"] = "binary_segmentation"

    def metrics(self) -> tuple[Metric, ...]:
        """``accuracy`` over pixels; ``iou`` and ``dice`` of what is labelled 1; ``image_dice``."""
        return (
            BinaryAccuracy("accuracy", "logits", "labels", "label_weights"),
            BinaryIou("iou", "logits", "labels", "label_weights"),
            BinaryF1("dice", "logits", "labels", "label_weights"),
            ImageDice("image_dice", "logits", "labels", "label_weights"),
        )

    def _head(self, backbone: Backbone) -> ScoreHead:
        return ScoreHead(initializer=backbone.initializer)

    def _losses(self) -> dict[str, Loss]:
        return {"cross_entropy": SigmoidCrossEntropy(), "dice": SigmoidDice(smoothing=self.dice_smoothing)}
