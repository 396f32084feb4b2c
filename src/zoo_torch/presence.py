"""What a generated forward needs for inputs that may be absent: absent is None, and so is what follows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Value = Tensor | dict[str, Tensor] | None


def if_present(module: nn.Module, *required: Tensor | None, **optional: Tensor | None) -> Value:
    """``module(*required, **optional)``, or None if a required input is absent."""
    if any(value is None for value in required):
        return None
    return module(*required, **optional)


def pick(outputs: dict[str, Tensor] | None, name: str) -> Tensor | None:
    """One of several outputs, or None if there are none."""
    return None if outputs is None else outputs[name]


def cast(value: Tensor | None, dtype: torch.dtype | None) -> Tensor | None:
    """The value in another dtype, if one is given, or None if it is absent."""
    return None if value is None else value.to(dtype)


def present(outputs: dict[str, Tensor | None]) -> dict[str, Tensor]:
    """The outputs that there are; logits that are spared are none."""
    return {name: value for name, value in outputs.items() if isinstance(value, Tensor)}
