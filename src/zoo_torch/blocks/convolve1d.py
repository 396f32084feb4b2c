"""Convolution along time, the same for every block that has one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zoo_torch.precision import at_least_float32, narrowed

FEW = 16
"""Channels of a group below which half width is no choice.

oneDNN's own convolution of bfloat16 along time gives noise there, on processors that multiply tiles of it (AMX), from
kernels of 8 on (torch 2.13 and TensorFlow 2.21; in two dimensions and backward it is right).
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
    wide_BCT = at_least_float32(x_BCT)
    return F.conv1d(wide_BCT, at_least_float32(kernel), bias, stride, padding, groups=groups).to(x_BCT.dtype)
