"""Which device to compute on."""

from __future__ import annotations

import torch

from zoo_spec.errors import EnvironmentFault, InputError


def choose_device(name: str, dtype: str = "float32") -> torch.device:
    """The device of ``auto``, ``cpu``, ``gpu`` or ``mps``.

    Raises InputError for another name, and for float64 on mps, which has none; EnvironmentFault if this
    machine has no such device.
    """
    available = {"cpu": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        wide = ("gpu", "cpu") if dtype == "float64" else ("gpu", "mps", "cpu")
        name = next(kind for kind in wide if available[kind])
    if name not in available:
        raise InputError(f"no device {name!r}; there are: auto, {', '.join(available)}")
    if not available[name]:
        raise EnvironmentFault(f"PyTorch finds no {name} on this machine; use --device cpu")
    if name == "mps" and dtype == "float64":
        raise InputError("mps has no float64; use --device cpu, or training.precision float32")
    return torch.device("cuda" if name == "gpu" else name)


def held_bytes(device: torch.device) -> int | None:
    """Bytes of tensors on the accelerator; None on a CPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return torch.mps.current_allocated_memory() if device.type == "mps" else None
