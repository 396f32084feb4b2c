"""The products that torch is asked for: matrix products, batched ones, convolutions and fused attention."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import prod

import torch
from passes import FREE
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from bounds_parts import Clock, Products, Shape, convolution_flops

MATRIX = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}
"""The places of both factors among the arguments; with ``_`` at the end the same, in place."""
ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
LEAST = 2**24
"""Values that are passed over in one timing at least."""
LOOKED_UP = {"embedding", "index_select", "gather", "index", "take_along_dim"}
"""They read no more of their first argument than they give."""


@dataclass(frozen=True)
class Drawn:
    """A tensor's sizes, strides (in values) and dtype."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def like(cls, tensor: Tensor) -> Drawn:
        return cls(tuple(tensor.shape), tensor.stride(), tensor.dtype)

    def tensor(self) -> Tensor:
        """One of normal values."""
        reach = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        return torch.randn(reach).to(self.dtype).as_strided(self.shape, self.strides)


@dataclass(frozen=True)
class Call:
    """A product, as it was called."""

    function: Callable[..., object]
    args: tuple[Hashable, ...]
    kwargs: tuple[tuple[str, Hashable], ...]
    gave: Hashable

    @property
    def name(self) -> str:
        return self.function.overloadpacket.__name__

    @property
    def tensors(self) -> list[Drawn]:
        return [each for each in self.args if isinstance(each, Drawn)]

    @property
    def flops(self) -> int:
        kind = self.name.rstrip("_")
        if kind in MATRIX:
            left, right = (self.args[place] for place in MATRIX[kind])
            return 2 * prod(left.shape) * right.shape[-1]
        if kind.startswith(ATTENTION):
            at = int(kind.endswith("backward"))
            query, key = self.args[at], self.args[at + 1]
            # Scores and weighted values; on the way back the scores again, and two gradients of each product.
            return (5 if at else 2) * 2 * prod(query.shape) * key.shape[-2]
        is_back = kind == "convolution_backward"
        kernel, is_transposed = self.args[2 if is_back else 1], self.args[7 if is_back else 6]
        x, y = (self.args[1], self.args[0]) if is_back else (self.args[0], self.gave)
        one = convolution_flops((x if is_transposed else y).shape, kernel.shape, kernel.shape[0])
        return one * (sum(self.args[10][:2]) if is_back else 1)

    def __str__(self) -> str:
        return f"{self.name} {' x '.join(map(_laid_out, self.tensors))}"

    def prepared(self) -> Callable[[], object]:
        """Once more, with other values."""
        args, kwargs = tree_map_only(Drawn, Drawn.tensor, (_lists(self.args), dict(self.kwargs)))
        return lambda: self.function(*args, **kwargs)


class Recording(TorchDispatchMode):
    """Notes every product, and the bytes of everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.passed = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function.overloadpacket.__name__
        kind = name.rstrip("_")
        gave = function(*args, **kwargs)
        is_product = kind.startswith((ATTENTION, "convolution")) or (
            kind in MATRIX and 1 not in gave.shape[-2:]
        )
        if is_product:
            given, named, got = tree_map_only(Tensor, Drawn.like, (args, kwargs, gave))
            self.calls.append(Call(function, _tuples(given), tuple(named.items()), _tuples(got)))
        elif name not in FREE:
            read = args[1:] if name in LOOKED_UP else args
            tensors = [each for each in tree_leaves((read, kwargs, gave)) if isinstance(each, Tensor)]
            self.passed += sum(each.numel() * each.element_size() for each in tensors)
        return gave


def recorded(run: Callable[[], object]) -> Products:
    """The products of ``run``."""
    with Recording() as recording:
        run()
    counts = Counter(recording.calls)
    prepared = {call: call.prepared() for call in counts}

    @torch.no_grad()
    def alone() -> None:
        for call in recording.calls:
            prepared[call]()

    shapes = [Shape(str(call), count, call.flops, _timed(prepared[call])) for call, count in counts.items()]
    return Products(alone, shapes, recording.passed)


def pass_rate(values: int, clock: Clock) -> float:
    """Bytes a second that a pass over so many float32 values reads and writes."""
    x = torch.randn(values)
    y = torch.empty_like(x)
    times = []
    for _ in range(20):
        start = clock()
        for _ in range(max(1, LEAST // values)):
            torch.mul(x, 2.0, out=y)
        times.append(clock() - start)
    passed = 2 * values * x.element_size() * max(1, LEAST // values)
    return passed / statistics.median(times)


def _timed(run: Callable[[], object]):
    @torch.no_grad()
    def seconds(repeats: int, clock: Clock) -> float:
        run()
        start = clock()
        for _ in range(repeats):
            run()
        return (clock() - start) / repeats

    return seconds


def _laid_out(of: Drawn) -> str:
    """Sizes, with a ``T`` where the last two are turned."""
    turned = len(of.shape) > 1 and of.strides[-1] != 1 and of.strides[-2] == 1
    return f"{'x'.join(map(str, of.shape))}{'T' if turned else ''}"


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


def _lists(args):
    return [list(each) if isinstance(each, tuple) else each for each in args]
