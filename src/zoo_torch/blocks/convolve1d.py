"""Convolution along time, the same for every block that has one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo_torch.precision import at_least_float32, narrowed, without_autocast

FEW = 32
"""Channels of a group below which half width is no choice: oneDNN's is noise where processors multiply bfloat16.

See ``zoo_common.processors.MULTIPLIES_BFLOAT16``. Of 37,000 random shapes none of 31 channels or more was wrong.
"""


def convolve1d(
    x_BCT: Tensor, kernel: Tensor, bias: Tensor | None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """Cross-correlation of ``x [B, C, T]`` with ``kernel [C', C / groups, K]``, and ``bias [C']`` added."""
    kernel = narrowed(kernel, x_BCT)
    bias = None if bias is None else narrowed(bias, x_BCT)
    if kernel.shape[1] >= FEW:
        return F.conv1d(x_BCT, kernel, bias, stride, padding, groups=groups)
    bias = None if bias is None else at_least_float32(bias)
    wide_BCT, kernel = at_least_float32(x_BCT), at_least_float32(kernel)
    with without_autocast():
        return F.conv1d(wide_BCT, kernel, bias, stride, padding, groups=groups).to(x_BCT.dtype)
