"""Convolution of images and its transpose, the same for every block that has one.

oneDNN's forward convolution of bfloat16 is noise where processors multiply that
(``zoo_common.processors.MULTIPLIES_BFLOAT16``), and so is the gradient of a transposed one, which is such a
convolution. A convolution's gradients are right. That of its input is a transposed convolution; so is, of the kernel
turned over, a convolution that moves by one cell (Dumoulin and Visin, 2016, 4.1 to 4.3). There all is done by these,
and in float32 what cannot be.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo_common.processors import MULTIPLIES_BFLOAT16
from zoo_torch.precision import HALF, at_least_float32, narrowed, without_autocast

Pair = tuple[int, int]
_BY_ONE = (1, 1)


def convolve2d(
    x_BCHW: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    *,
    stride: Pair,
    padding: Pair = (0, 0),
    is_transposed: bool = False,
) -> Tensor:
    """Cross-correlation of ``x [B, C, H, W]`` with ``kernel [C', C, h, w]``, and ``bias [C']`` added.

    Or its transpose, whose kernel is ``[C, C', h, w]``.
    """
    given = x_BCHW, narrowed(kernel, x_BCHW), None if bias is None else narrowed(bias, x_BCHW)
    how = stride, padding, is_transposed
    autocast = x_BCHW.is_cpu and torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if autocast else x_BCHW.dtype
    if not x_BCHW.is_cpu or dtype not in HALF:
        return _convolved(*given, *how)
    is_met = is_transposed or _is_met(x_BCHW, kernel, stride, padding)
    if is_met and not MULTIPLIES_BFLOAT16:
        return _convolved(*given, *how)
    # What is traced may be differentiated later, by what is wrong.
    is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    with without_autocast():
        if is_met and not is_traced and (is_transposed or stride == _BY_ONE):
            x, kernel, bias = (None if each is None else each.to(dtype) for each in given)
            return _HalfConvolution.apply(x, kernel, bias, *how)
        x, kernel, bias = (None if each is None else at_least_float32(each) for each in given)
        return _convolved(x, kernel, bias, *how).to(dtype)


def _is_met(x_BCHW: Tensor, kernel: Tensor, stride: Pair, padding: Pair) -> bool:
    """Whether each of the kernel's cells meets one of the image, not padding alone.

    Of others oneDNN leaves the gradient in half width as the memory was.
    """
    axes = zip(x_BCHW.shape[2:], kernel.shape[2:], stride, padding, strict=True)
    return all(
        any(0 <= at + cell < length for at in range(-pad, length + pad - size + 1, step))
        for length, size, step, pad in axes
        for cell in (range(size) if pad else ())
    )


def _convolved(
    x: Tensor, kernel: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, is_transposed: bool
) -> Tensor:
    return (F.conv_transpose2d if is_transposed else F.conv2d)(x, kernel, bias, stride, padding)


def _forward(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
    """The convolution, as a transposed one or in float32."""
    turned = [size - 1 - pad for size, pad in zip(kernel.shape[2:], padding, strict=True)]
    if stride == _BY_ONE and min(turned) >= 0:
        return F.conv_transpose2d(x, kernel.flip(2, 3).transpose(0, 1), bias, 1, turned)
    bias = None if bias is None else bias.float()
    return F.conv2d(x.float(), kernel.float(), bias, stride, padding).to(x.dtype)


class _HalfConvolution(torch.autograd.Function):
    """Of factors in half width. Derivatives that are to be differentiated again are those of float32."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, kernel: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, is_transposed: bool
    ) -> Tensor:
        if is_transposed:
            return _convolved(x, kernel, bias, stride, padding, is_transposed)
        return _forward(x, kernel, bias, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, kernel, bias, *ctx.how = inputs
        ctx.save_for_backward(x, kernel)
        ctx.save_for_forward(x, kernel)
        ctx.biases = None if bias is None else list(bias.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x, kernel), (stride, padding, is_transposed) = ctx.saved_tensors, ctx.how
        given, needed = (gradient, x, kernel), list(ctx.needs_input_grad[:3])
        is_forward = is_transposed and needed[0] and not torch.is_grad_enabled()
        if torch.is_grad_enabled():
            given = tuple(map(at_least_float32, given))
        needed[0] &= not is_forward
        found = torch.ops.aten.convolution_backward(
            *given, ctx.biases, stride, padding, (1, 1), is_transposed, (0, 0), 1, needed
        )
        of_x, *others = (None if each is None else each.to(x.dtype) for each in found)
        if is_forward:
            of_x = _forward(gradient, kernel, None, stride, padding)
        return of_x, *others, None, None, None

    @staticmethod
    def jvp(
        ctx: Any,
        x_tangent: Tensor | None,
        kernel_tangent: Tensor | None,
        bias_tangent: Tensor | None,
        *_: None,
    ) -> Tensor:
        x, kernel = map(at_least_float32, ctx.saved_tensors)
        tangents = (x_tangent, kernel_tangent, bias_tangent)
        of_x, of_kernel, of_bias = (None if each is None else at_least_float32(each) for each in tangents)
        found = _convolved(torch.zeros_like(x) if of_x is None else of_x, kernel, of_bias, *ctx.how)
        if of_kernel is not None:
            found = found + _convolved(x, of_kernel, None, *ctx.how)
        return found.to(ctx.saved_tensors[0].dtype)
