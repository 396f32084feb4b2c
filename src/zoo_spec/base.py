"""The base of every spec class: frozen, no unknown keys, strict types, no NaN and no infinity."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
LayerCount = Annotated[int, Field(gt=0, le=100_000)]
"""Bounded, since a framework builds its model layer by layer; here all alike count as one."""
ClassCount = Annotated[int, Field(ge=2)]
"""Of a softmax: with one class it would have nothing to tell."""
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
"""A probability that may not be one: dropout, label smoothing, momentum."""


class Spec(BaseModel):
    """Base of all specs; equal specs compare and hash equal."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
    )
