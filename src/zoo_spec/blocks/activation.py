"""Activations, each its own kind: frameworks disagree on what a bare name such as ``gelu`` means."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from zoo_spec.blocks.base import Block, Inputs, Outputs, require_float
from zoo_spec.cost import Cost
from zoo_spec.registry import find


class Activation(Block):
    """An elementwise function; the output has the input's shape."""

    role: ClassVar[str] = "activation"
    rounds_once: ClassVar[bool] = True

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        require_float(inputs["x"])
        return {"x": inputs["x"]}

    def cost(self, inputs: Inputs) -> Cost:
        """The input is kept for the backward pass."""
        return Cost(saved=inputs["x"].elements)


class _KeepsItsOutput(Activation):
    """Its slope is told by what it gave, which the product that comes next keeps already."""

    def cost(self, inputs: Inputs) -> Cost:
        """Free."""
        return Cost()


class Relu(_KeepsItsOutput):
    """max(x, 0)."""

    kind: Literal["relu"] = "relu"


class GeluErf(Activation):
    """x Phi(x) by the error function (Hendrycks & Gimpel, 2016)."""

    kind: Literal["gelu_erf"] = "gelu_erf"


class GeluTanh(Activation):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 (Hendrycks & Gimpel, 2016, the approximation)."""

    kind: Literal["gelu_tanh"] = "gelu_tanh"


class Silu(Activation):
    """x sigmoid(x) (Elfwing et al., 2018)."""

    kind: Literal["silu"] = "silu"


class Tanh(_KeepsItsOutput):
    """Hyperbolic tangent."""

    kind: Literal["tanh"] = "tanh"


class Sigmoid(_KeepsItsOutput):
    """Logistic function."""

    kind: Literal["sigmoid"] = "sigmoid"


class Identity(Activation):
    """The input, unchanged."""

    kind: Literal["identity"] = "identity"

    def cost(self, inputs: Inputs) -> Cost:
        """Free."""
        return Cost()


def _known(kind: str) -> str:
    find(Activation, kind)
    return kind


def activation(kind: str) -> Activation:
    """The activation of this kind, which must be registered."""
    found = find(Activation, kind).model_validate({"kind": kind})
    assert isinstance(found, Activation)
    return found


ActivationKind = Annotated[
    str, AfterValidator(_known), Field(description="An activation's kind, such as gelu_erf or relu.")
]
