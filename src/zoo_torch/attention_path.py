"""Up to which length attention is computed in the open: measured, once, where a model of float32 is made.

That is before anything is traced, and what traces has the fused call anyway. Which way is faster depends on the
processor's vectors and caches, and on how torch multiplies there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn

from zoo_common.measured import ROUNDS, Choices, clock
from zoo_torch.blocks.attend import OPEN_LENGTH, OpenLengths, fused, in_the_open, visible
from zoo_torch.products import library

LENGTHS = (64, 128, OPEN_LENGTH)
"""Of which one is chosen, or none: beyond the last the weights would take more memory than the time is worth."""
SCORES = 3 << 17
"""Values of the scores that are tried on: with the rest larger than a core's own cache, as a model's are."""
LONGEST = 0.5
"""Seconds after which no further round is begun: a machine that is so busy, or so slow, tells nothing."""

Way = Callable[[Tensor, Tensor, Tensor], Tensor]


def choose_open_lengths(model: nn.Module, dtype: torch.dtype) -> None:
    """Tell each attention of a model on a CPU its lengths.

    In half width they stay as they are, for there it is not time that decides: the fused kernel's gradient is four
    times as far off.
    """
    if dtype != torch.float32:
        return
    choices = _choices(torch.get_num_threads(), library())
    for module in model.modules():
        if isinstance(getattr(module, "open_lengths", None), OpenLengths):
            module.open_lengths = _open_lengths(choices, module.head_size, module.causal)


@cache
def _choices(threads: int, products: str) -> Choices:
    return Choices("torch", {"torch": torch.__version__, "products": products}, threads)


def _open_lengths(choices: Choices, head_size: int, causal: bool) -> OpenLengths:
    plain = _Measured(choices, head_size, "causal" if causal else "plain")
    masked = _Measured(choices, head_size, "masked")
    return OpenLengths(
        training=plain.longest("training"),
        forward=plain.longest("forward"),
        masked_training=masked.longest("training"),
        masked_forward=masked.longest("forward"),
    )


class _Measured:
    """One kind of attention, whose passes are measured together and at each length once."""

    def __init__(self, choices: Choices, head_size: int, mask: str) -> None:
        self._choices, self._head_size, self._mask = choices, head_size, mask
        self._rounds: dict[int, dict[str, dict[str, list[float]]]] = {}

    def longest(self, what: str) -> int:
        """The longest of the lengths at which the open way is taken; 0 for none. The middle one is tried first."""
        short, middle, long = LENGTHS
        if self._is_open(middle, what):
            return long if self._is_open(long, what) else middle
        return short if self._is_open(short, what) else 0

    def _is_open(self, length: int, what: str) -> bool:
        question = f"attention, {self._mask}, heads of {self._head_size}, {length} tokens, {what}"
        return self._choices.take(question, "open", partial(self._measure, length, what)) == "open"

    def _measure(self, length: int, what: str) -> dict[str, list[float]]:
        if length not in self._rounds:
            self._rounds[length] = _rounds(length, self._head_size, self._mask)
        return self._rounds[length][what]


def _rounds(length: int, head_size: int, mask: str) -> dict[str, dict[str, list[float]]]:
    """Of a forward pass and of a whole one, the seconds by way, in turn after a round that warms up."""
    heads = max(1, SCORES // length**2)
    generator = torch.Generator().manual_seed(0)
    shape = (1, length, heads, head_size)
    given = [torch.randn(shape, generator=generator).transpose(1, 2).requires_grad_() for _ in range(3)]
    ways = _ways(length, 1 / math.sqrt(head_size), mask)
    found: dict[str, dict[str, list[float]]] = {
        what: {way: [] for way in ways} for what in ("forward", "training")
    }
    began = time.perf_counter()
    with torch.enable_grad():
        for turn in range(1 + ROUNDS):
            if time.perf_counter() - began > LONGEST:
                break
            for name, way in ways.items():
                start = clock()
                mixed = way(*given)
                middle = clock()
                torch.autograd.grad(mixed.sum(), given)
                if turn:
                    found["forward"][name].append(middle - start)
                    found["training"][name].append(clock() - start)
    return found


def _ways(length: int, scale: float, mask: str) -> dict[str, Way]:
    ids, cpu = torch.ones(1, length, dtype=torch.int32), torch.device("cpu")
    shown = visible(ids, length, False, cpu) if mask == "masked" else None
    # The open way has no causal one of its own.
    past = visible(None, length, True, cpu, always=True) if mask == "causal" else shown
    return {
        "open": lambda q, k, v: in_the_open(q, k, v, scale=scale, mask=past),
        "fused": lambda q, k, v: fused(q, k, v, scale=scale, mask=shown, causal=mask == "causal"),
    }
