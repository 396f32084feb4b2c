"""What a class counts in the loss of a task that tells classes apart."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field

from zoo_spec.base import NonNegativeFloat, PositiveFloat


def _weights(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Number = TypeVar("Number")
_Each = Annotated[tuple[Number, ...], BeforeValidator(_weights), Field(min_length=1)]
ClassWeights = Literal["balanced"] | _Each[NonNegativeFloat]
"""A weight for each class, or those that bring all classes to the same sum."""
TokenClassWeights = Literal["balanced"] | _Each[PositiveFloat]
"""The same of tokens, of which a weight of 0 says that they have no label."""


def require_one_each(weights: ClassWeights | TokenClassWeights | None, classes: int) -> None:
    """Raise ValueError for another number of weights than classes."""
    if isinstance(weights, tuple) and len(weights) != classes:
        raise ValueError(f"class_weights has {len(weights)} weights, and classes is {classes}; give one each")
