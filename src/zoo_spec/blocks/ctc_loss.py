"""Connectionist temporal classification: labels whose places in time are not known (Graves et al., 2006)."""

from __future__ import annotations

from typing import Literal

from zoo_spec.blocks.base import Inputs, Outputs, ShapeError, require_float, require_ids, require_known
from zoo_spec.blocks.losses import SCALAR, Loss
from zoo_spec.cost import Cost

BLANK = 0
"""The class of a frame that says nothing, and the label that stands for padding, since no label is blank."""


class CtcLoss(Loss):
    """Minus the log-probability of each example's labels, over all ways to spread them over its frames.

    ``logits [batch, frames, classes]``; ``labels [batch, labels]``, in order, 0 wherever there is none; ``weights
    [batch]``; ``frame_ids [batch, frames]``, 0 for the padding at the end, which no label
    is spread over. The loss is the mean over examples, each summed over its labels: with ``sum``, torch's and
    ``transformers``' reduction leaves out the division by their number, which ``numerator`` is; with ``mean`` each
    example's is divided by the number of its labels first, which is another loss. Labels that do not fit into
    their frames, each with a blank between two that are alike, have the probability 0 and the loss infinity.
    """

    kind: Literal["ctc_loss"] = "ctc_loss"
    required = ("logits", "labels")
    optional = ("weights", "frame_ids")

    def infer(self, inputs: Inputs) -> Outputs:
        """Three scalars: ``loss``, ``numerator``, ``denominator``."""
        logits, labels, weights = inputs["logits"], inputs["labels"], inputs.get("weights")
        require_float(logits)
        require_known(logits, -1)
        if (
            logits.rank != 3
            or labels.rank != 2
            or labels.shape[0] != logits.shape[0]
            or labels.dtype != "int32"
        ):
            raise ShapeError("needs logits [batch, frames, classes] and int32 labels [batch, labels]")
        if weights is not None and weights.shape != labels.shape[:1]:
            raise ShapeError(f"needs weights [batch]; they are {weights}")
        require_ids(inputs, "frame_ids", shape=logits.shape[:2])
        return {"loss": SCALAR, "numerator": SCALAR, "denominator": SCALAR}

    def label_limit(self, inputs: Inputs) -> int | None:
        """The classes."""
        return inputs["logits"].width

    def count(self, labels: tuple[int, ...]) -> int:
        """An example's labels make one loss together."""
        return labels[0]

    def cost(self, inputs: Inputs) -> Cost:
        """The log-probabilities are kept, and how likely each label is reached at each frame."""
        logits, labels = inputs["logits"], inputs["labels"]
        states = 2 * int(labels.shape[1]) + 1
        return Cost(wide=logits.elements + logits.elements // logits.width * states)
