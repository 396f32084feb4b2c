"""Weighted sums by similarity: what all kinds of attention share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo_common.paths import Choice
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.precision import at_least_float32

# B batch, T tokens, S tokens that are read, N heads, H head size.

OPEN_LENGTH = 256
"""Tokens up to which a CPU attends by plain products unless it was measured otherwise: of the fused kernel's time
they took 0.3 to 1.3 at 128, by the processor, and 0.7 to 2 at 512."""

PATH = Choice("attention", "open", "fused", of=__name__)


def split(x_BTD: Tensor, num_heads: int) -> Tensor:
    """Heads of a projection: ``[B, T, N H]`` to ``[B, N, T, H]``."""
    return x_BTD.unflatten(2, (num_heads, -1)).transpose(1, 2)


def join(x_BNTH: Tensor) -> Tensor:
    """Heads side by side: ``[B, N, T, H]`` to ``[B, T, N H]``."""
    return x_BNTH.transpose(1, 2).flatten(2)


def visible(
    example_ids: Tensor | None, length: int, causal: bool, device: torch.device, *, always: bool = False
) -> Tensor | None:
    """Which positions see which, ``[B, 1, T, T]`` or ``[T, T]`` bool; None where a kernel's own mask serves.

    A position sees those of its own example, itself among them, so no row is ever empty.
    """
    past = torch.ones(length, length, dtype=torch.bool, device=device).tril() if causal else None
    if example_ids is None:
        return past if always else None
    same = example_ids[:, None, :, None] == example_ids[:, None, None, :]
    return same if past is None else same & past


@dataclass(frozen=True)
class OpenLengths:
    """Tokens up to which attention on a CPU is computed in the open, where gradients are wanted and where not.

    The ``masked`` ones are for what has a mask or a bias beside its own causal one.
    """

    training: int
    forward: int
    masked_training: int
    masked_forward: int

    def longest(self, *, learns: bool, masked: bool) -> int:
        """Of the kind at hand."""
        if masked:
            return self.masked_training if learns else self.masked_forward
        return self.training if learns else self.forward


UNMEASURED = OpenLengths(OPEN_LENGTH, OPEN_LENGTH, OPEN_LENGTH, OPEN_LENGTH)


def attend(
    q_BNTH: Tensor,
    k_BNSH: Tensor,
    v_BNSH: Tensor,
    *,
    scale: float,
    mask: Tensor | None,
    dropout: Dropout,
    bias_NTS: Tensor | None = None,
    causal: bool = False,
    open_lengths: OpenLengths = UNMEASURED,
) -> Tensor:
    """``softmax(scale q k^T + bias) v``, ``[B, N, T, H]``; torch picks the kernel.

    ``mask`` says which positions see which. Without one all are seen, or, if ``causal``, those not later; that goes
    without a bias.
    """
    drops = dropout.training and dropout.rate > 0
    # Masks of dropout that are given need the weights themselves, which the fused kernels keep to themselves.
    best = "open" if _is_faster_in_the_open(q_BNTH, k_BNSH, mask, bias_NTS, open_lengths) else "fused"
    if (drops and dropout.draw is not None) or PATH.taken(best) == "open":
        if mask is None and causal:
            mask = visible(None, q_BNTH.shape[2], causal, q_BNTH.device, always=True)
        return in_the_open(q_BNTH, k_BNSH, v_BNSH, scale=scale, mask=mask, bias_NTS=bias_NTS, dropout=dropout)
    given = mask
    if bias_NTS is not None:
        given = bias_NTS[None] if mask is None else bias_NTS.masked_fill(~mask, -math.inf)
    rate = dropout.rate if drops else 0.0
    return fused(q_BNTH, k_BNSH, v_BNSH, scale=scale, mask=given, causal=causal and mask is None, rate=rate)


def in_the_open(
    q_BNTH: Tensor,
    k_BNSH: Tensor,
    v_BNSH: Tensor,
    *,
    scale: float,
    mask: Tensor | None,
    bias_NTS: Tensor | None = None,
    dropout: Dropout | None = None,
) -> Tensor:
    """By two products and a softmax."""
    # Scaling the queries is scaling the scores, on a tensor that is S / H times smaller.
    queries = q_BNTH if scale == 1 else q_BNTH * scale
    weights_BNTS = _weights(queries @ k_BNSH.mT, mask, bias_NTS).to(v_BNSH.dtype)
    return (weights_BNTS if dropout is None else dropout(weights_BNTS)) @ v_BNSH


def fused(
    q_BNTH: Tensor,
    k_BNSH: Tensor,
    v_BNSH: Tensor,
    *,
    scale: float,
    mask: Tensor | None,
    causal: bool,
    rate: float = 0.0,
) -> Tensor:
    """By torch's own kernel; ``mask`` may be what is added to the scores."""
    return F.scaled_dot_product_attention(
        q_BNTH, k_BNSH, v_BNSH, attn_mask=mask, dropout_p=rate, is_causal=causal, scale=scale
    )


def _weights(scores_BNTS: Tensor, mask: Tensor | None, bias_NTS: Tensor | None) -> Tensor:
    """Softmax of scores that nobody else has, so that what is added needs no other tensor of their size."""
    scores_BNTS = at_least_float32(scores_BNTS)
    if bias_NTS is not None:
        scores_BNTS += bias_NTS
    if mask is not None:
        hidden = torch.zeros(mask.shape, dtype=scores_BNTS.dtype, device=mask.device)
        scores_BNTS += hidden.masked_fill_(~mask, -math.inf)
    return scores_BNTS.softmax(-1)


def _is_faster_in_the_open(
    q_BNTH: Tensor,
    k_BNSH: Tensor,
    mask: Tensor | None,
    bias_NTS: Tensor | None,
    open_lengths: OpenLengths,
) -> bool:
    """Whether two products and a softmax beat torch's fused kernel: on a CPU, over rows up to a length.

    Where that was not measured it is what was seen on several processors. Beyond ``OPEN_LENGTH`` the weights would
    take more memory than the time is worth, unless a bias is learned: the fused kernel takes none, and torch would
    compute the same products with a bias and a mask as large as the weights (1.5 times the time at 512 and 1,024
    tokens). In bfloat16 the fused backward pass also takes the row term of softmax's gradient from outputs that are
    rounded already: where gradients nearly cancel, as a query's bias in question answering, its error was four times
    that of plain products. A graph that is compiled or exported has the fused call alone, whatever its length; so
    has autocast, which would round the scores of a model that is float32, and of T5, whose are large, by 0.06 of its
    outputs.
    """
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu") or q_BNTH.device.type != "cpu":
        return False
    if bias_NTS is not None and bias_NTS.requires_grad:
        return True
    learns, masked = (
        torch.is_grad_enabled() and q_BNTH.requires_grad,
        mask is not None or bias_NTS is not None,
    )
    return max(q_BNTH.shape[2], k_BNSH.shape[2]) <= open_lengths.longest(learns=learns, masked=masked)
