"""What a family's file says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Transformers:
    """How ``transformers`` has it: a model for a case, and the call's arguments, with labels and without."""

    model: Callable[[Case], Any]
    arguments: Callable[[dict[str, Any]], dict[str, Any]]
    """Of a batch's tensors to what the model takes; ``labels`` among them makes it give a loss."""
    attention: tuple[str, ...] = ("sdpa", "eager")
    """Implementations to choose the faster of."""


@dataclass(frozen=True)
class KerasHub:
    """How KerasHub has it: a functional model for a case, and what it is fed with."""

    model: Callable[[Case], Any]
    features: Callable[[Arrays], Any]
    labels: Callable[[Arrays], Any]


@dataclass(frozen=True)
class Family:
    """A spec of ours, at what size it runs, and the same of others."""

    name: str
    spec: str
    draw: Callable[[Case, int], Arrays]
    """A batch of so many full rows, as the data pipeline gives it."""
    rows: int
    length: int = 0
    settings: tuple[str, ...] = ()
    tiny: tuple[str, ...] = ()
    transformers: Transformers | None = None
    kerashub: KerasHub | None = None
    share: float = 0.85
    """Of the best product's rate that a training step reaches at least."""
    products: tuple[int, int] = (768, 3072)
    """Width and inner width of the products that it is made of."""
    narrowed: Callable[[int], tuple[str, ...]] | None = None
    """The settings for a width below the published one, for those that are too large for most machines."""
