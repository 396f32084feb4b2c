"""Losses are blocks too: one definition of what is averaged over what."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeFloat, PositiveFloat, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_float, require_ids, require_known
from zoo_spec.cost import Cost
from zoo_spec.tensors import Dimension, TensorSpec

SCALAR = TensorSpec((), "float32")

ROWS_AT_ONCE = 512
"""Logits' rows that training computes at once where it need not have all. Of fewer a product is slower, for each part
reads the whole table, and adds to its gradient; 512 of 50,257 are 103 MB."""


class Loss(Block):
    """A weighted mean: ``loss = numerator / denominator``, 0 where the denominator is 0, in float32 or wider.

    ``numerator`` is ``sum(weights * loss)`` and ``denominator`` is ``sum(weights)``, so that replicas and
    accumulated micro-batches add each and divide once. Weights are 0 or more, all 1 if they are left out; the same
    weights times any number give the same loss.
    """

    role: ClassVar[str] = "loss"
    rounds_once: ClassVar[bool] = True

    def label_limit(self, inputs: Inputs) -> int | None:
        """How many labels there are, which are 0 and up; None where that is open, or labels are no integers."""
        return None

    def count(self, labels: tuple[int, ...]) -> int:
        """The denominator for labels of this shape where weights are left out: how many losses they make."""
        return math.prod(labels)


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of integer labels, from logits.

    ``logits [..., classes]``, ``labels [...]``, ``weights [...]``. ``label_smoothing`` s
    spreads s evenly over all classes, the true one included (Szegedy et al., 2016, section 7).
    """

    kind: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"
    required = ("logits", "labels")
    optional = ("weights",)
    label_smoothing: Rate = 0.0
    """Probability spread evenly over all classes."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        logits, labels = inputs["logits"], inputs["labels"]
        require_float(logits)
        require_known(logits, -1)
        if labels.shape != logits.shape[:-1] or labels.dtype != "int32":
            raise ShapeError(
                "needs logits [..., classes] and int32 labels [...] of the same leading dimensions"
            )
        return _ratio(inputs)

    def label_limit(self, inputs: Inputs) -> int | None:
        """The classes."""
        return inputs["logits"].width

    def cost(self, inputs: Inputs) -> Cost:
        """The log-probabilities are kept."""
        return Cost(wide=inputs["logits"].elements)

    def cost_in_parts(self, inputs: Inputs) -> Cost:
        """The logits and log-probabilities of one part, where training has not all of them."""
        logits = inputs["logits"]
        rows = logits.elements // logits.width
        return Cost(wide=2 * -(-rows // parts(rows)) * logits.width)


class PositionCrossEntropy(Loss):
    """Cross-entropy of a position in a sequence of open length, from a logit for each.

    ``logits [batch, sequence]``, ``labels [batch]``, ``weights [batch]``, or, of packed rows, both ``[batch,
    examples]``. The softmax runs over the positions whose ``example_ids`` are that of the labelled one: never over
    padding, nor over other examples of a packed row.
    """

    kind: Literal["position_cross_entropy"] = "position_cross_entropy"
    required = ("logits", "labels")
    optional = ("weights", "example_ids")

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        logits, labels = inputs["logits"], inputs["labels"]
        require_float(logits)
        if logits.rank != 2 or labels.shape != logits.shape[:-1] or labels.dtype != "int32":
            raise ShapeError("needs logits [batch, sequence] and int32 labels [batch]")
        require_ids(inputs, "example_ids", shape=logits.shape)
        return _ratio(inputs)

    def points(self, inputs: Inputs) -> dict[str, Dimension]:
        """``labels``."""
        return {"labels": inputs["logits"].shape[1]}

    def cost(self, inputs: Inputs) -> Cost:
        """The log-probabilities are kept."""
        return Cost(wide=inputs["logits"].elements)


class SigmoidCrossEntropy(Loss):
    """Binary cross-entropy of labels 0 and 1, each for itself: ``log(1 + exp(x)) - label * x``.

    ``logits``, ``labels`` and ``weights`` have one shape.
    """

    kind: Literal["sigmoid_cross_entropy"] = "sigmoid_cross_entropy"
    required = ("logits", "labels")
    optional = ("weights",)

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        require_float(inputs["logits"])
        if inputs["labels"].shape != inputs["logits"].shape or inputs["labels"].dtype != "int32":
            raise ShapeError("needs logits and int32 labels, 0 or 1, of one shape")
        return _ratio(inputs)

    def label_limit(self, inputs: Inputs) -> int | None:
        """0 and 1."""
        return 2

    def cost(self, inputs: Inputs) -> Cost:
        """The logits are kept."""
        return Cost(wide=inputs["logits"].elements)


class SquaredError(Loss):
    """The square of the difference between ``logits`` and float ``labels`` of the same shape."""

    kind: Literal["squared_error"] = "squared_error"
    required = ("logits", "labels")
    optional = ("weights",)

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        require_float(inputs["logits"])
        require_float(inputs["labels"])
        if inputs["labels"].shape != inputs["logits"].shape:
            raise ShapeError("needs logits and labels of one shape")
        return _ratio(inputs)

    def cost(self, inputs: Inputs) -> Cost:
        """The differences are kept."""
        return Cost(wide=inputs["logits"].elements)


class Dice(Loss):
    """1 less the Dice coefficient of probabilities and labels, image by image (Milletari et al., 2016, 3).

    ``dice = (2 sum(w p g) + smoothing) / (sum(w p) + sum(w g) + smoothing)`` over an image's places, with the
    probability p, the label g and the weight w of each, by the largest of its image; the mean over classes where
    there are several. An image weighs as much as its places together: ``numerator = sum(image weight * (1 -
    dice))`` and ``denominator = sum(weights)``, as in the other losses of the same labels. So for images of one
    size it is the mean over images, and micro-batches add up.
    """

    required = ("logits", "labels")
    optional = ("weights",)
    smoothing: PositiveFloat = 1.0
    """Added to both sides, so that a class which is absent, and not predicted, scores 1."""

    def cost(self, inputs: Inputs) -> Cost:
        """The probabilities are kept."""
        return Cost(wide=inputs["logits"].elements)


class SoftmaxDice(Dice):
    """The mean over all classes, background included: ``logits [batch, ..., classes]``, ``labels [batch, ...]``."""

    kind: Literal["softmax_dice"] = "softmax_dice"

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        logits, labels = inputs["logits"], inputs["labels"]
        require_float(logits)
        require_known(logits, -1)
        if labels.rank < 2 or labels.shape != logits.shape[:-1] or labels.dtype != "int32":
            raise ShapeError(
                "needs logits [batch, ..., classes] and int32 labels [batch, ...] of the same places"
            )
        return _ratio(inputs)

    def label_limit(self, inputs: Inputs) -> int | None:
        """The classes."""
        return inputs["logits"].width


class SigmoidDice(Dice):
    """Of one class, 1, against 0: ``logits`` and ``labels [batch, ...]`` have one shape."""

    kind: Literal["sigmoid_dice"] = "sigmoid_dice"

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        logits, labels = inputs["logits"], inputs["labels"]
        require_float(logits)
        if labels.rank < 2 or labels.shape != logits.shape or labels.dtype != "int32":
            raise ShapeError("needs logits and int32 labels, 0 or 1, of one shape [batch, ...]")
        return _ratio(inputs)

    def label_limit(self, inputs: Inputs) -> int | None:
        """0 and 1."""
        return 2


class SumLosses(Loss):
    """Weighted sum of losses; if one of them is absent, so is the sum: never a partial one."""

    kind: Literal["sum_losses"] = "sum_losses"
    required = ()
    variadic: ClassVar[bool] = True
    rounds_once: ClassVar[bool] = False
    weights: tuple[NonNegativeFloat, ...] | None = None
    """A weight for each loss, in the order of the inputs; all 1 if left out."""

    def infer(self, inputs: Inputs) -> Outputs:
        """A scalar."""
        if not inputs:
            raise ShapeError("needs at least one loss")
        if any(spec.shape != () for spec in inputs.values()):
            raise ShapeError("needs losses, which are scalars")
        if self.weights is not None and len(self.weights) != len(inputs):
            raise ShapeError(f"has {len(self.weights)} weights for {len(inputs)} losses")
        return {"loss": SCALAR}


def parts(rows: int) -> int:
    """How many parts so many rows of logits are computed in: two at least, that what few rows show holds for many."""
    return max(2, -(-rows // ROWS_AT_ONCE))


def _ratio(inputs: Inputs) -> Outputs:
    """What a loss gives; raises ShapeError unless the weights, if it has any, are of its labels' shape."""
    weights = inputs.get("weights")
    if weights is not None and weights.shape != inputs["labels"].shape:
        raise ShapeError(f"needs weights of the labels' shape; they are {weights}")
    return {"loss": SCALAR, "numerator": SCALAR, "denominator": SCALAR}
