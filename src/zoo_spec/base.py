"""The base of every spec class: frozen, no unknown keys, strict types, no NaN and no infinity."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _float32(value: float) -> float:
    """The value; ValueError for what models, which compute in float32, would take for infinity or zero."""
    largest = float(np.finfo(np.float32).max)
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    if abs(value) > largest:
        raise ValueError(f"is beyond float32, whose largest number is {largest:.3g}")
    if 0 < abs(value) < smallest:
        raise ValueError(f"is zero in float32, whose smallest number is {smallest:.3g}")
    return value


PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
LayerCount = Annotated[int, Field(gt=0, le=100_000)]
"""Bounded, since a framework builds its model layer by layer; here all alike count as one."""
ClassCount = Annotated[int, Field(ge=2)]
"""Of a softmax: with one class it would have nothing to tell."""
Float = Annotated[float, AfterValidator(_float32)]
PositiveFloat = Annotated[float, Field(gt=0), AfterValidator(_float32)]
NonNegativeFloat = Annotated[float, Field(ge=0), AfterValidator(_float32)]
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
        defer_build=True,
    )
