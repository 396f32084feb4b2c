"""Weighted sums by similarity: what all kinds of attention share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo_common.paths import Choice
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.precision import at_least_float32

# B batch, T tokens, S tokens that are read, N heads, H head size.

OPEN_LENGTH = 256
"""Tokens up to which a CPU attends by plain products: 0.3 of the fused kernel's time at 128, 0.7 at 512 tokens."""

PATH = Choice("attention", "open", "fused")


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
) -> Tensor:
    """``softmax(scale q k^T + bias) v``, ``[B, N, T, H]``; torch picks the kernel.

    ``mask`` says which positions see which. Without one all are seen, or, if ``causal``, those not later; that goes
    without a bias.
    """
    drops = dropout.training and dropout.rate > 0
    # Masks of dropout that are given need the weights themselves, which the fused kernels keep to themselves.
    best = "open" if _is_faster_in_the_open(q_BNTH, k_BNSH, bias_NTS) else "fused"
    if (drops and dropout.draw is not None) or PATH.taken(best) == "open":
        if mask is None and causal:
            mask = visible(None, q_BNTH.shape[2], causal, q_BNTH.device, always=True)
        # Scaling the queries is scaling the scores, on a tensor that is S / H times smaller.
        queries = q_BNTH if scale == 1 else q_BNTH * scale
        weights_BNTS = _weights(queries @ k_BNSH.mT, mask, bias_NTS)
        return dropout(weights_BNTS.to(v_BNSH.dtype)) @ v_BNSH
    given = mask
    if bias_NTS is not None:
        given = bias_NTS[None] if mask is None else bias_NTS.masked_fill(~mask, -math.inf)
    return F.scaled_dot_product_attention(
        q_BNTH,
        k_BNSH,
        v_BNSH,
        attn_mask=given,
        dropout_p=dropout.rate if drops else 0.0,
        is_causal=causal and mask is None,
        scale=scale,
    )


def _weights(scores_BNTS: Tensor, mask: Tensor | None, bias_NTS: Tensor | None) -> Tensor:
    scores_BNTS = at_least_float32(scores_BNTS)
    if bias_NTS is not None:
        scores_BNTS = scores_BNTS + bias_NTS
    if mask is not None:
        hidden = torch.zeros(mask.shape, dtype=scores_BNTS.dtype, device=mask.device)
        scores_BNTS = scores_BNTS + hidden.masked_fill_(~mask, -math.inf)
    return scores_BNTS.softmax(-1)


def _is_faster_in_the_open(q_BNTH: Tensor, k_BNSH: Tensor, bias_NTS: Tensor | None) -> bool:
    """Whether two products and a softmax beat torch's fused kernel: on a CPU, over short rows, a third of its time.

    Beyond that the weights would take more memory than the time is worth, unless a bias is learned: the fused kernel
    takes none, and torch would compute the same products with a bias and a mask as large as the weights (1.5 times
    the time at 512 and 1,024 tokens). In bfloat16 the fused backward pass also takes the row term of softmax's
    gradient from outputs that are rounded already: where gradients nearly cancel, as a query's bias in question
    answering, its error was four times that of plain products. A graph that is compiled or exported has the fused
    call alone, whatever its length; so has autocast, which would round the scores of a model that is float32, and of
    T5, whose are large, by 0.06 of its outputs.
    """
    is_learned = bias_NTS is not None and bias_NTS.requires_grad
    return (
        not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and q_BNTH.device.type == "cpu"
        and (is_learned or max(q_BNTH.shape[2], k_BNSH.shape[2]) <= OPEN_LENGTH)
    )
