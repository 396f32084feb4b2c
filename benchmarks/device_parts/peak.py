"""The most that a device computes: measured by a large matrix product, and as its maker states it."""

from __future__ import annotations

import statistics
import time

PUBLISHED = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}
"""Dense bfloat16 products, FLOP/s, by a part of the device's name, from NVIDIA's data sheets."""


def published(name: str) -> float | None:
    """The maker's figure for a device; None if it is not known here."""
    return next((flops for part, flops in PUBLISHED.items() if part in name), None)


def matmul_flops(device: str, dtype: str, repeats: int = 10) -> float:
    """FLOP/s of torch's product of two drawn matrices, the median over repeats after three that warm up."""
    import torch

    size = 8192 if device == "gpu" else 512
    where = torch.device("cuda" if device == "gpu" else "cpu")
    left, right = (torch.randn(size, size, device=where, dtype=getattr(torch, dtype)) for _ in range(2))
    times = []
    for _ in range(3 + repeats):
        start = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # Waits for the device.
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times[3:])
