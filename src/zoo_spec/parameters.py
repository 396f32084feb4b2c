"""A parameter as the spec layer knows it, before any framework allocates it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from zoo_spec.initializers import Initializer

Role = Literal["weight", "bias", "norm", "embedding"]
"""What a parameter is for; weight decay is excluded by it."""


@dataclass(frozen=True)
class Parameter:
    """Shape (in torch's layout), initializer and role of one parameter.

    Parameters that are not trainable are statistics, such as a batch norm's moving mean.
    """

    shape: tuple[int, ...]
    initializer: Initializer
    role: Role
    trainable: bool = True

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)
