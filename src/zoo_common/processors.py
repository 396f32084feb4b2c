"""The processor of this machine."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path


def processor() -> tuple[str, str]:
    """This machine's by name, and what it can do; of several the first."""
    name, flags = "", ""
    with (
        contextlib.suppress(OSError, UnicodeDecodeError),
        Path("/proc/cpuinfo").open(encoding="utf-8") as told,
    ):
        for line in told:
            key, _, value = (part.strip() for part in line.partition(":"))
            if not key and flags:
                break
            name = value if key == "model name" else name
            flags = value if key in ("flags", "Features") else flags
    return name or platform.processor() or platform.machine(), flags


MULTIPLIES_BFLOAT16 = not {"amx_bf16", "avx512_bf16"}.isdisjoint(processor()[1].split())
"""Whether this processor itself multiplies bfloat16, tiles of it (AMX) or vectors (AVX-512).

oneDNN's forward convolutions of bfloat16 give noise there for many shapes, and with tiles now and then write where
they must not (torch 2.13 and TensorFlow 2.21): along time where there are fewer than 32 channels, of images for any
number, as for patches of 16 x 16 of 4 channels by tiles, and of 32 x 32, one wide, by vectors. So is the gradient of
a transposed one with respect to its input, which is one. Other gradients are right, and transposed ones forward.
"""
