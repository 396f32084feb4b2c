"""A product whose result is never there as a whole: a loss takes its factors, and computes some rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from zoo_spec.blocks.losses import parts
from zoo_torch.precision import HALF

# N rows, D features, V classes; R rows of a part, at most M.

_ALIGNED = 64
"""Values by which rows of logits in half width lie apart: a GPU's fast products take no rows at odd places."""
_CLASSES_AT_ONCE = 4096
"""Over which a CPU sums a gradient in one product: oneDNN's of all 50,432, 1,536 wide, took 1.25 times as long."""


@dataclass(frozen=True, eq=False)
class Product:
    """Logits ``x weight^T + bias [..., V]`` of ``x [..., D]`` and ``weight [V, D]``, which nobody has computed."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None


def cross_entropy_sum(
    product: Product, labels_N: Tensor, weights_N: Tensor, label_smoothing: float
) -> Tensor:
    """``sum(weights * cross-entropy)``, its gradient computed with it, some rows at a time; in the weights' dtype.

    So of logits, probabilities and their gradient there are never more than those rows, and no product is computed
    twice (Hsu et al., 2024, 3.2).
    """
    given = product.x.flatten(0, -2), product.weight, product.bias, labels_N, weights_N, label_smoothing
    if torch.compiler.is_compiling():
        needed = [each is not None and each.requires_grad for each in given[:3]]
        return torch.ops.zoo.cross_entropy_sum(*given, needed)[0]
    return _CrossEntropySum.apply(*given)


class _CrossEntropySum(torch.autograd.Function):
    """The gradients of the factors are those of the sum itself; the backward pass multiplies them by the sum's."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        labels_N: Tensor,
        weights_N: Tensor,
        smoothing: float,
    ) -> Tensor:
        found, ctx.found = _computed(
            x_ND, weight_VD, bias_V, labels_N, weights_N, smoothing, ctx.needs_input_grad
        )
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found, ctx.found = ctx.found, None  # Multiplied where they lie, so once.
        if found is None:
            raise RuntimeError(
                "the gradient of logits in parts is there once; run the model again for another"
            )
        return (
            *(None if each is None else each.mul_(gradient.to(each.dtype)) for each in found),
            None,
            None,
            None,
        )


def _computed(
    x_ND: Tensor,
    weight_VD: Tensor,
    bias_V: Tensor | None,
    labels_N: Tensor,
    weights_N: Tensor,
    smoothing: float,
    needed: Sequence[bool],
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """The sum, and of ``x``, ``weight`` and ``bias`` those gradients that are needed."""
    rows, wide = len(x_ND), weights_N.dtype
    sums = _Gradients(needed, x_ND, weight_VD, bias_V, wide)
    each_N = x_ND.new_empty(rows, dtype=wide)
    count = parts(rows)
    most = -(-rows // count)
    classes = len(weight_VD)
    log_p_MV = x_ND.new_empty(most, classes, dtype=wide)
    logits_MV = log_p_MV
    if wide != x_ND.dtype:
        wider_MV = x_ND.new_empty(most, classes + -classes % _ALIGNED)
        wider_MV[:, classes:] = 0  # Not NaN: oneDNN, under AMX, multiplies what follows a row by zeros.
        logits_MV = wider_MV[:, :classes]
    for part in range(count):
        here = slice(part * rows // count, (part + 1) * rows // count)
        logits_RV, log_p_RV = (each[: here.stop - here.start] for each in (logits_MV, log_p_MV))
        if bias_V is None:
            torch.mm(x_ND[here], weight_VD.mT, out=logits_RV)
        else:
            torch.addmm(bias_V, x_ND[here], weight_VD.mT, out=logits_RV)
        torch.log_softmax(logits_RV.to(wide), -1, out=log_p_RV)
        labels_R1 = labels_N[here, None]
        torch.mul(log_p_RV.gather(1, labels_R1)[:, 0], smoothing - 1, out=each_N[here])
        if smoothing:
            each_N[here].sub_(smoothing * log_p_RV.mean(1))
        if sums.any:
            change_RV = log_p_RV.exp_()
            change_RV.scatter_add_(1, labels_R1, torch.full_like(labels_R1, smoothing - 1, dtype=wide))
            if smoothing:
                change_RV -= smoothing / classes
            sums.add(here, change_RV, logits_RV, x_ND[here], weight_VD, weights_N[here])
    return (weights_N * each_N).sum(), sums.found()


class _Gradients:
    """The gradients of the factors that need one, summed in float32 or wider over the rows."""

    def __init__(
        self,
        needed: Sequence[bool],
        x_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        wide: torch.dtype,
    ) -> None:
        self.x = torch.empty_like(x_ND) if needed[0] else None
        self.weight = torch.empty_like(weight_VD, dtype=wide) if needed[1] else None
        self.bias = torch.zeros_like(bias_V, dtype=wide) if bias_V is not None and needed[2] else None
        self.any = any(needed[:3])
        self._begun = 0
        self._dtype = weight_VD.dtype

    def add(
        self,
        here: slice,
        change_RV: Tensor,
        unused_RV: Tensor,
        x_RD: Tensor,
        weight_VD: Tensor,
        weights_R: Tensor,
    ) -> None:
        """``change_RV`` is the gradient of each row's own loss. The rows' weights go to what is smaller.

        ``unused_RV`` is written to; it has the factors' dtype.
        """
        if self.bias is not None:
            self.bias += weights_R @ change_RV
        narrow_RV = change_RV if change_RV.dtype == x_RD.dtype else unused_RV.copy_(change_RV)
        weights_R1 = weights_R[:, None].to(x_RD.dtype)
        weighted_RD = x_RD * weights_R1
        if self.x is not None:
            _over_classes(narrow_RV, weight_VD, self.x[here]).mul_(weights_R1)
        if self.weight is None:
            return
        if self.weight.dtype == x_RD.dtype:
            self.weight.addmm_(narrow_RV.mT, weighted_RD, beta=self._begun)
        elif self.weight.is_cuda:  # Summed by the product itself, and never rounded.
            wide, begun = self.weight.dtype, self._begun
            torch.addmm(self.weight, narrow_RV.mT, weighted_RD, beta=begun, out_dtype=wide, out=self.weight)
        elif self._begun:
            self.weight += narrow_RV.mT @ weighted_RD
        else:
            self.weight.copy_(narrow_RV.mT @ weighted_RD)
        self._begun = 1

    def found(self) -> tuple[Tensor | None, ...]:
        """Those of ``x``, ``weight`` and ``bias``, in the dtypes of these."""
        return tuple(
            None if each is None else each.to(self._dtype) for each in (self.x, self.weight, self.bias)
        )


def _over_classes(change_RV: Tensor, weight_VD: Tensor, out_RD: Tensor) -> Tensor:
    """``change weight``, in ``out``."""
    if not change_RV.is_cpu or change_RV.dtype in HALF:  # Whose sums of parts would be rounded.
        return torch.mm(change_RV, weight_VD, out=out_RD)
    for first in range(0, len(weight_VD), _CLASSES_AT_ONCE):
        some = slice(first, first + _CLASSES_AT_ONCE)
        out_RD.addmm_(change_RV[:, some], weight_VD[some], beta=int(first > 0))
    return out_RD


@torch.library.custom_op(
    "zoo::cross_entropy_sum",
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor? bias, Tensor labels, Tensor weights, float smoothing, bool[] needed)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
)
def _whole(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    weights: Tensor,
    smoothing: float,
    needed: list[bool],
) -> tuple[Tensor, ...]:
    """The same to ``torch.compile``, which would write out every part: one operation; what is not needed is empty."""
    total, found = _computed(x, weight, bias, labels, weights, smoothing, needed)
    return total, *(x.new_empty(0) if each is None else each for each in found)


@_whole.register_fake
def _shapes(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    weights: Tensor,
    smoothing: float,
    needed: list[bool],
) -> tuple[Tensor, ...]:
    given = zip((x, weight, bias), needed, strict=True)
    return weights.new_empty(()), *(
        torch.empty_like(each) if wanted and each is not None else x.new_empty(0) for each, wanted in given
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.needed = inputs[-1]
    ctx.save_for_backward(*output[1:])


def _back(ctx: Any, gradient: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
    found = zip(ctx.saved_tensors, ctx.needed, strict=True)
    return *(each * gradient.to(each.dtype) if wanted else None for each, wanted in found), *[None] * 4


_whole.register_autograd(_back, setup_context=_keep)
