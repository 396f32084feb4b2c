"""Float32 matrix products on the CPU by the faster of torch's two libraries, if its error is that of float32.

By default torch gives them to MKL, which on many processors reaches 40 % of what oneDNN does. oneDNN is only asked
if bfloat16 would be allowed too, which it then uses on some processors; so what it does is measured here.
"""

from __future__ import annotations

from functools import cache

import torch

ERROR_MULTIPLE = 4.0
"""How many times MKL's error oneDNN's may be: another order of summation made 1 to 2.3, bfloat16 5,000."""

SHAPES = ((64, 768, 768), (256, 512, 1024), (37, 91, 53))
"""Rows, inner size and columns of the products that are tried, small, large and odd."""


@cache
def use_fast_products() -> bool:
    """Switch oneDNN on for float32 products on the CPU if it computes them in float32; say whether it does."""
    if not torch.backends.mkldnn.is_available():
        return False
    settings = torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    exact = _errors()
    settings.fp32_precision = "bf16"
    if all(fast <= ERROR_MULTIPLE * slow for fast, slow in zip(_errors(), exact, strict=True)):
        return True
    settings.fp32_precision = before
    return False


def _errors() -> list[float]:
    """Largest error of each product, from float64 and relative to its largest value."""
    generator = torch.Generator().manual_seed(0)
    errors = []
    for rows, inner, columns in SHAPES:
        left = torch.randn(rows, inner, generator=generator)
        right = torch.randn(columns, inner, generator=generator)
        exact = left.double() @ right.double().T
        found = torch.nn.functional.linear(left, right).double()
        errors.append(float((found - exact).abs().max() / exact.abs().max()))
    return errors
