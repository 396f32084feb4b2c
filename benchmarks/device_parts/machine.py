"""``machine.py DEVICE``: what is here, and how fast the device multiplies matrices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time

from device_parts.place import place
from device_parts.rows import row, say
from device_parts.wheels import is_there

LIBRARIES = (
    "numpy",
    "torch",
    "triton",
    "transformers",
    "tensorflow",
    "keras",
    "keras-hub",
    "pydantic",
    "safetensors",
)


def main() -> None:
    say(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    for name in LIBRARIES:
        try:
            say(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            say(f"{name} is not installed")
    if is_there("torch"):
        _torch(place("torch", sys.argv[1]))
    if is_there("tensorflow"):
        import tensorflow as tf

        say(f"TensorFlow sees {[device.name for device in tf.config.list_physical_devices()]}")
    for name in ("zoo_spec", "zoo_common.cli.main"):
        start = time.perf_counter()
        __import__(name)
        say(f"import {name}: {time.perf_counter() - start:.2f} s")


def _torch(device: str) -> None:
    import torch

    from device_parts.peak import matmul_flops, published

    say(f"torch is built for CUDA {torch.version.cuda}, and sees {torch.cuda.device_count()} GPUs")
    name = torch.cuda.get_device_name() if device == "gpu" else platform.processor() or "a CPU"
    if device == "gpu":
        properties = torch.cuda.get_device_properties(0)
        say(
            f"{name}: {properties.total_memory / 2**30:.1f} GiB, {properties.multi_processor_count} "
            f"multiprocessors, compute capability {properties.major}.{properties.minor}"
        )
    known = published(name)
    for dtype in ("bfloat16", "float32"):
        found = matmul_flops(device, dtype)
        stated = f" (published {known / 1e12:.0f})" if known and dtype == "bfloat16" else ""
        row(f"matrix product, torch, {dtype}, {name}{stated}", found / 1e12, None, "TFLOP/s")


if __name__ == "__main__":
    main()
