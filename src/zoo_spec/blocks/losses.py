"""Losses are blocks too: one definition of what is averaged over what."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import NonNegativeFloat, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_float, require_known
from zoo_spec.cost import Cost
from zoo_spec.tensors import TensorSpec

SCALAR = TensorSpec((), "float32")


class Loss(Block):
    """A loss: ``loss = numerator / max(denominator, 1)``, in float32 or wider.

    ``numerator`` is ``sum(weights * loss)`` and ``denominator`` is ``sum(weights)``, so that replicas and
    accumulated micro-batches add each and divide once.
    """

    role: ClassVar[str] = "loss"


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of integer labels, from logits.

    ``logits [..., classes]``, ``labels [...]``, ``weights [...]``, all 1 if not connected. ``label_smoothing`` s
    spreads s evenly over all classes, the true one included (Szegedy et al., 2016, section 7).
    """

    kind: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"
    required = ("logits", "labels")
    if_connected = ("weights",)
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
        weights = inputs.get("weights")
        if weights is not None and weights.shape != labels.shape:
            raise ShapeError(f"needs weights of the labels' shape; they are {weights}")
        return {"loss": SCALAR, "numerator": SCALAR, "denominator": SCALAR}

    def cost(self, inputs: Inputs) -> Cost:
        """The log-probabilities are kept."""
        return Cost(wide=inputs["logits"].elements)


class SumLosses(Loss):
    """Weighted sum of losses; if one of them is absent, so is the sum: never a partial one."""

    kind: Literal["sum_losses"] = "sum_losses"
    required = ()
    variadic: ClassVar[bool] = True
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
