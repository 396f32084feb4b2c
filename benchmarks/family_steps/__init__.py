"""One training step and forward passes of every family: Zoo's, and those of the libraries that people use instead.

``setup(name, case)`` gives them for ``torch``, ``tf``, ``transformers`` or ``kerashub``: the same batch, float32, no
dropout, the family's optimizer with its clipping in all of them; a ``Case`` says otherwise. Each returns when its
result is there, on whatever device. ``FAMILIES`` has a file for each family, with what the ways of it are built from.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from family_steps.case import FAMILIES, Case
from family_steps.steps import Run, Steps

PEERS = {"torch": "transformers", "tf": "kerashub"}
"""Whom each framework's own way is held against."""


def setup(name: str, case: Case) -> Steps:
    """The training step and the forward pass of one way."""
    if name in ("torch", "tf"):
        from family_steps.zoo import zoo_steps

        return zoo_steps(name, case)
    if name == "transformers":
        from family_steps.transformers_steps import transformers_steps

        return transformers_steps(case)
    from family_steps.kerashub_steps import kerashub_steps

    return kerashub_steps(case)


def ways(case: Case) -> list[str]:
    """Those that the case's family has: our two, and those libraries that have it."""
    there = {"transformers": case.of.transformers, "kerashub": case.of.kerashub}
    return [
        name for framework, peer in PEERS.items() for name in (framework, *([peer] if there[peer] else []))
    ]


__all__ = ["FAMILIES", "PEERS", "Case", "Run", "Steps", "setup", "ways"]
