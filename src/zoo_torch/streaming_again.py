"""A unit's second run, for gradients alone: what nobody reads of it is not computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_ADDS = {"AddBackward0", "ViewBackward0", "UnsafeViewBackward0", "ToCopyBackward0"}
"""Nodes whose gradients need no value of what was added up, moved or rounded."""

Forward = Callable[[Tensor], Tensor]
Place = tuple[nn.Linear, int]
"""A product of a run: the module, and which of its calls."""


class SecondRun:
    """Runs of a unit whose outputs are known already, of which autograd's graph alone is wanted.

    A product that is only added up with others until it is an output, as a feed-forward block's last one, is not
    computed: its gradients need its inputs, and those of the sums nothing. torch's ``checkpoint`` too stops behind
    the last tensor that it has to have. Which products these are is seen in the first run, and each run is looked at.
    """

    def __init__(self, module: nn.Module, *, is_whole: bool = False) -> None:
        """``is_whole`` for one that changes something besides, of which every run computes all."""
        self._linear = [each for each in module.modules() if isinstance(each, nn.Linear)]
        self._unread: frozenset[Place] = frozenset()
        self._is_known = is_whole or not self._linear

    def outputs(self, run: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What ``run`` gives with gradients switched on; the values need not be those of the unit."""
        if not self._is_known:
            with self._watched() as made:
                outputs = run()
            found = {place for place, y in made.items() if _is_only_added(y, outputs)}
            self._unread, self._is_known = frozenset(found), True
            return outputs
        if not self._unread:
            return run()
        with self._watched(self._unread) as made:
            outputs = run()
        if all(place in made and _is_only_added(made[place], outputs) for place in self._unread):
            return outputs
        self._unread = frozenset()  # It goes another way than it did.
        return run()

    @contextmanager
    def _watched(self, unread: frozenset[Place] | None = None) -> Iterator[dict[Place, Tensor]]:
        """The products of a run, all or these; these are not computed."""
        made: dict[Place, Tensor] = {}
        modules = self._linear if unread is None else list({module for module, _ in unread})
        before = [module.__dict__.get("forward") for module in modules]
        for module in modules:
            module.__dict__["forward"] = _watching(module, module.forward, made, unread or frozenset())
        try:
            yield made
        finally:
            for module, forward in zip(modules, before, strict=True):
                if forward is None:
                    del module.__dict__["forward"]
                else:
                    module.__dict__["forward"] = forward


def _watching(
    module: nn.Linear, forward: Forward, made: dict[Place, Tensor], unread: frozenset[Place]
) -> Forward:
    calls = 0

    def watching(x: Tensor) -> Tensor:
        nonlocal calls
        place, calls = (module, calls), calls + 1
        if place in unread:
            with _NoProducts():
                y = forward(x)
        else:
            y = forward(x)
        made[place] = y
        return y

    return watching


def _is_only_added(y: Tensor, outputs: tuple[Tensor, ...]) -> bool:
    """Whether of all that was made of ``y`` nothing but sums lies on the way to the outputs."""
    made = y.grad_fn
    if made is None:
        return False
    reads: dict[Any, bool] = {made: True}
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None]
    while waiting:
        node = waiting[-1]
        if node in reads:
            waiting.pop()
        elif node._sequence_nr() < made._sequence_nr():
            reads[node] = False  # It was there before.
        elif missing := [each for each, _ in node.next_functions if each is not None and each not in reads]:
            waiting += missing
        else:
            reads[node] = any(reads[each] for each, _ in node.next_functions if each is not None)
            if reads[node] and not _is_sum(node):
                return False
    return True


def _is_sum(node: Any) -> bool:
    return type(node).__name__ in _ADDS and getattr(node, "_saved_alpha", 1) == 1


class _NoProducts(TorchDispatchMode):
    """Products of matrices give memory of their shape, with whatever is there."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            rows, columns = args[-2], args[-1]
            return rows.new_empty(rows.shape[0], columns.shape[1])
        return func(*args, **(kwargs or {}))
