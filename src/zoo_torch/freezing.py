"""What training leaves as it is: torch keeps nothing for a backward pass that nobody needs."""

from __future__ import annotations

from torch import nn

from zoo_spec.trained import Trained
from zoo_torch.blocks.norm import BatchNorm


def freeze(model: nn.Module, learned: Trained) -> None:
    """Have the frozen parameters need no gradient, and the batch norms that are fixed keep their statistics."""
    for name in learned.frozen:
        model.get_parameter(name).requires_grad_(False)
    for path in learned.fixed:
        norm = model.get_submodule(path)
        assert isinstance(norm, BatchNorm)
        norm.fixed = True
