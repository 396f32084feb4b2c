"""One vector for a whole example out of those of its tokens, without weights, as sentence embeddings are made.

Each is the formula of the mode of that name of ``sentence-transformers`` (Reimers & Gurevych, 2019, 3); padding is
told by ``example_ids`` 0. With ``pooled_positions [batch, examples]``, where each packed example starts, it has a
vector for each of them.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveFloat
from zoo_spec.blocks.base import (
    START_PORT,
    Block,
    Inputs,
    Outputs,
    require_features,
    require_ids,
    require_sequence,
)
from zoo_spec.cost import Cost
from zoo_spec.tensors import Dimension, TensorSpec


class Pooling(Block):
    """``x [batch, sequence, hidden]`` to ``[batch, hidden]``, or ``[batch, examples, hidden]`` of packed rows."""

    role: ClassVar[str] = "pooling"
    optional: ClassVar[tuple[str, ...]] = ("example_ids", "pooled_positions")

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, hidden]``; the packed form is known only when the model runs."""
        x = inputs["x"]
        require_sequence(x)
        require_ids(inputs, "example_ids", shape=x.shape[:2])
        if "pooled_positions" in inputs:
            examples = inputs["pooled_positions"].shape[1:2] or ("examples",)
            require_ids(inputs, "pooled_positions", shape=(x.shape[0], *examples))
        return {"x": first(x)}

    def points(self, inputs: Inputs) -> dict[str, Dimension]:
        """``pooled_positions``."""
        return {START_PORT: inputs["x"].shape[1]}


class MeanPooling(Pooling):
    """The mean of an example's tokens; computed in float32 or wider."""

    kind: Literal["mean_pooling"] = "mean_pooling"
    rounds_once: ClassVar[bool] = True


class SquareRootPooling(Pooling):
    """Their sum over the square root of their number; computed in float32 or wider."""

    kind: Literal["square_root_pooling"] = "square_root_pooling"
    rounds_once: ClassVar[bool] = True


class WeightedMeanPooling(Pooling):
    """Their mean, where the k-th token weighs k (Muennighoff, 2022, 3.1); computed in float32 or wider."""

    kind: Literal["weighted_mean_pooling"] = "weighted_mean_pooling"
    rounds_once: ClassVar[bool] = True


class MaxPooling(Pooling):
    """The largest value of each feature."""

    kind: Literal["max_pooling"] = "max_pooling"


class UnitLength(Block):
    """``x / max(|x|, epsilon)`` of each vector, in float32 or wider; keeps the shape."""

    kind: Literal["unit_length"] = "unit_length"
    rounds_once: ClassVar[bool] = True
    epsilon: PositiveFloat = 1e-12
    """The least length that is divided by, as ``torch.nn.functional.normalize`` has it."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        require_features(inputs["x"])
        return {"x": inputs["x"]}

    def cost(self, inputs: Inputs) -> Cost:
        """The input is kept for the backward pass, as wide as it is computed."""
        return Cost(wide=inputs["x"].elements)


def first(x: TensorSpec) -> TensorSpec:
    """``[batch, sequence, hidden]`` with one vector a row."""
    return x.with_shape(x.shape[0], x.shape[2], axes=(x.named_axes[0], x.named_axes[2]))
