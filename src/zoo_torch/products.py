"""Float32 matrix products on the CPU by the faster of torch's two libraries, if its error is that of float32.

By default torch gives them to MKL, which on many processors reaches 40 % of what oneDNN does. oneDNN is only asked
if bfloat16 would be allowed too, which it then uses on some processors; so what it does is measured here. That it is
not the slower one is measured too, once on a machine.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from zoo_common.measured import ROUNDS, Choices, clock

ERROR_MULTIPLE = 4.0
"""How many times MKL's error oneDNN's may be: another order of summation made 1 to 2.3, bfloat16 5,000."""

SHAPES = ((64, 768, 768), (256, 512, 1024), (37, 91, 53))
"""Rows, inner size and columns of the products that are tried, small, large and odd."""
TIMED = (256, 768, 768)
"""Those of the product that is timed, which takes some milliseconds."""


@cache
def use_fast_products() -> bool:
    """Switch oneDNN on for float32 products on the CPU if it computes them in float32 and is not slower.

    Says whether it is on.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    settings = torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    exact = _errors()
    settings.fp32_precision = "bf16"
    if all(fast <= ERROR_MULTIPLE * slow for fast, slow in zip(_errors(), exact, strict=True)):
        choices = Choices("torch", {"torch": torch.__version__}, torch.get_num_threads())
        if choices.take("products of float32", "onednn", _rounds) == "onednn":
            settings.fp32_precision = "bf16"
            return True
    settings.fp32_precision = before
    return False


def library() -> str:
    """The name of the one that multiplies float32 on the CPU, as things stand."""
    if torch.backends.mkldnn.matmul.fp32_precision == "bf16":
        return "oneDNN"
    return "MKL" if torch.backends.mkl.is_available() else "BLAS"


def _errors() -> list[float]:
    """Largest error of each product, from float64 and relative to its largest value."""
    errors = []
    for shape in SHAPES:
        left, right = _drawn(*shape)
        exact = left.double() @ right.double().T
        found = torch.nn.functional.linear(left, right).double()
        errors.append(float((found - exact).abs().max() / exact.abs().max()))
    return errors


def _rounds() -> dict[str, list[float]]:
    """Seconds of a product by library, in turn after a round that warms up."""
    settings, (left, right) = torch.backends.mkldnn.matmul, _drawn(*TIMED)
    found: dict[str, list[float]] = {"onednn": [], "mkl": []}
    for turn in range(1 + ROUNDS):
        for name, precision in (("onednn", "bf16"), ("mkl", "ieee")):
            settings.fp32_precision = precision
            start = clock()
            torch.nn.functional.linear(left, right)
            if turn:
                found[name].append(clock() - start)
    return found


def _drawn(rows: int, inner: int, columns: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, inner, generator=generator), torch.randn(columns, inner, generator=generator)
