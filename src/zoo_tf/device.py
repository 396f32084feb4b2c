"""Which device to compute on."""

from __future__ import annotations

import contextlib

import tensorflow as tf

from zoo_common.quiet import quiet
from zoo_spec.errors import EnvironmentFault, InputError


def choose_device(name: str) -> str:
    """TensorFlow's name of ``auto``, ``cpu`` or ``gpu``; EnvironmentFault if this machine has none.

    A GPU's memory is taken as it is needed rather than all at once.
    """
    with quiet():
        gpus = tf.config.list_physical_devices("GPU")
    # Too late, and an error, once a GPU is in use; then it was done before.
    with contextlib.suppress(RuntimeError):
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    if name not in ("auto", "cpu", "gpu", "mps"):
        raise InputError(f"no device {name!r}; there are: auto, cpu, gpu")
    if name in ("gpu", "mps") and not gpus:
        raise EnvironmentFault(f"TensorFlow finds no {name} on this machine; use --device cpu")
    return "/CPU:0" if name == "cpu" or not gpus else "/GPU:0"


def held_bytes(device: str) -> int | None:
    """Bytes of tensors on the accelerator; None on a CPU."""
    if "CPU" in device:
        return None
    return int(tf.config.experimental.get_memory_info(device.removeprefix("/"))["current"])
