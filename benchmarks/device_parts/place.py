"""Which device a framework of this process computes on."""

from __future__ import annotations


def place(framework: str, asked: str) -> str:
    """``cpu`` or ``gpu``: what was asked for, or the GPU if the framework sees one."""
    if asked != "auto":
        return asked
    if framework == "torch":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    import tensorflow as tf

    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
