"""Which device to compute on."""

from __future__ import annotations

import torch

from zoo_spec.errors import EnvironmentFault, InputError


def choose_device(name: str) -> torch.device:
    """The device of ``auto``, ``cpu``, ``gpu`` or ``mps``; EnvironmentFault if this machine has none."""
    available = {"cpu": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("gpu", "mps", "cpu") if available[kind])
    if name not in available:
        raise InputError(f"no device {name!r}; there are: auto, {', '.join(available)}")
    if not available[name]:
        raise EnvironmentFault(f"PyTorch finds no {name} on this machine; use --device cpu")
    return torch.device("cuda" if name == "gpu" else name)
