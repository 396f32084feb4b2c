"""Computing in half width: parameters stay in float32, and products take them rounded to their input's dtype.

Only half-width input narrows a parameter. Any other mixture of dtypes is the caller's mistake, and torch says so.
"""

from __future__ import annotations

import torch
from torch import Tensor


def narrowed(parameter: Tensor, x: Tensor) -> Tensor:
    """The parameter as a product with ``x`` takes it: rounded to bfloat16 where ``x`` is that."""
    return parameter.to(x.dtype) if x.dtype == torch.bfloat16 else parameter


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or as it is if it is that wide already."""
    return x.float() if x.dtype == torch.bfloat16 else x
