"""Norms over the last dimension; epsilon has no default, since the frameworks' differ by a factor of 100."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveFloat
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_features
from zoo_spec.cost import Cost
from zoo_spec.initializers import Ones, Zeros
from zoo_spec.parameters import Parameter


class Norm(Block):
    """Normalises each vector of the last dimension, computed in float32 or wider; keeps the shape."""

    role: ClassVar[str] = "norm"
    epsilon: PositiveFloat
    """Added to the variance (or mean square) under the root."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        require_features(x)
        return {"x": x}

    def cost(self, inputs: Inputs) -> Cost:
        """The input is kept for the backward pass, as wide as it is computed, and one or two numbers a vector."""
        x = inputs["x"]
        return Cost(wide=x.elements + 2 * x.elements // x.width)


class LayerNorm(Norm):
    """``(x - mean) / sqrt(variance + epsilon) * weight + bias``, biased variance (Ba et al., 2016)."""

    kind: Literal["layer_norm"] = "layer_norm"

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight`` and ``bias``, as wide as the input."""
        shape = (inputs["x"].width,)
        return {"weight": Parameter(shape, Ones(), "norm"), "bias": Parameter(shape, Zeros(), "norm")}


class RmsNorm(Norm):
    """``x / sqrt(mean(x^2) + epsilon) * weight`` (Zhang & Sennrich, 2019)."""

    kind: Literal["rms_norm"] = "rms_norm"

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight``, as wide as the input."""
        return {"weight": Parameter((inputs["x"].width,), Ones(), "norm")}
