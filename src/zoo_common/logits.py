"""How training takes the logits that a loss alone reads."""

from __future__ import annotations

from zoo_common.paths import Choice

LOGITS = Choice("logits", "whole", part="gradients")
"""They are computed in parts, with the loss and its gradient, and never all there; parity tries them whole, too."""


def in_parts() -> bool:
    """Whether they are."""
    return LOGITS.taken("parts") == "parts"
