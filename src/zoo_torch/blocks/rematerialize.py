"""Products that keep no input which is cheap to compute again, from what autograd keeps of it already.

A product's backward pass needs its input. Of a GELU or a layer norm autograd keeps the input as well, so what comes
out of them is kept for the product alone, and costs one pass over memory to compute (Chen et al., 2016, 4.3). It is
the same to the last bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import local
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

_THIS_THREAD = local()
_NORM, _EPSILON = "NativeLayerNormBackward0", "epsilon"


def _gelu(node: Any) -> Tensor:
    return F.gelu(node._saved_self, approximate=node._saved_approximate)


def _layer_norm(node: Any) -> Tensor:
    sizes, weight, bias = node._saved_normalized_shape, node._saved_weight, node._saved_bias
    return F.layer_norm(node._saved_input, sizes, weight, bias, node.metadata[_EPSILON])


AGAIN: dict[str, Callable[[Any], Tensor]] = {
    "GeluBackward0": _gelu,
    _NORM: _layer_norm,
}
"""How an output is computed again from the node that autograd has for it, by the node's class."""


def note_epsilon(y: Tensor, epsilon: float) -> Tensor:
    """``y``, a layer norm's output; autograd does not keep with which ``epsilon`` it was computed."""
    if not torch.compiler.is_compiling() and _kind(y) == _NORM:
        y.grad_fn.metadata[_EPSILON] = epsilon
    return y


@contextlib.contextmanager
def keeping(keeps: bool = True) -> Iterator[None]:
    """Within it, in this thread, nothing is computed again: for a part of a model whose pass back follows at once."""
    before = getattr(_THIS_THREAD, "keeps", False)
    _THIS_THREAD.keeps = keeps
    try:
        yield
    finally:
        _THIS_THREAD.keeps = before


def rematerialized(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Within it, products of ``x`` keep what ``x`` was computed from in its place, if that is cheap.

    Nothing is done where torch compiles, which decides by itself, where hooks are not allowed, as in ``torch.vmap``,
    below other hooks, such as those of activation recomputation, and for tensors without an address to know them by.
    """
    if torch.compiler.is_compiling() or not _is_as_computed(x) or not _can_hook():
        return contextlib.nullcontext()
    return saved_tensors_hooks(_Packing(x.grad_fn, x.data_ptr(), x.numel()).pack, _unpack)


def _is_as_computed(x: Tensor) -> bool:
    """Whether it is what a node of ours gave, and nobody has written into it."""
    kind = _kind(x)
    known = kind in AGAIN and (kind != _NORM or _EPSILON in x.grad_fn.metadata)
    return known and x._version == 0 and _has_address(x)


def _has_address(x: Tensor) -> bool:
    """Not so of a meta tensor, nor of what wraps others, as a DTensor does: all of these lie at 0."""
    return type(x) is Tensor and not x.is_meta


def _can_hook() -> bool:
    autograd = torch._C._autograd
    return (
        not getattr(_THIS_THREAD, "keeps", False)
        and torch.is_grad_enabled()
        and autograd._saved_tensors_hooks_is_enabled()
        and autograd._top_saved_tensors_default_hooks(False) is None
    )


def _kind(y: Tensor) -> str:
    return type(getattr(y, "grad_fn", None)).__name__


@dataclass(frozen=True, eq=False)
class _Packing:
    """Of the input it holds no more than where it lies, for autograd keeps its hooks."""

    node: Any
    address: int
    count: int

    def pack(self, tensor: Tensor) -> _Again | _Kept:
        is_input = tensor.data_ptr() == self.address and tensor.numel() == self.count
        if is_input and tensor.is_contiguous():
            return _Again(self.node, tensor.shape)
        return _Kept(tensor, tensor._version)


@dataclass(frozen=True, eq=False)
class _Again:
    node: Any
    shape: torch.Size

    def tensor(self) -> Tensor:
        return AGAIN[type(self.node).__name__](self.node).view(self.shape)


@dataclass(frozen=True, eq=False)
class _Kept:
    saved: Tensor
    version: int

    def tensor(self) -> Tensor:
        if self.saved._version != self.version:  # autograd looks only at what no hook has packed.
            raise RuntimeError(
                f"a tensor of shape {tuple(self.saved.shape)} that the gradient needs was changed in place since "
                "the forward pass, as by an optimizer's step before backward(); run the model again"
            )
        return self.saved


def _unpack(packed: _Again | _Kept) -> Tensor:
    return packed.tensor()
