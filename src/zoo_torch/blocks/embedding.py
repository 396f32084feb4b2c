"""A table of vectors, one a token."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from zoo_spec.blocks import embedding as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class Embedding(nn.Embedding):
    """Rows of a table by id; gives the rows as ``x`` and the table itself, for tied heads.

    Ids have no dtype to compute in, so ``compute_dtype`` says it; None is the table's own.
    """

    compute_dtype: torch.dtype | None = None
    joint: Joint | None = None
    """Where the gradients of all uses meet, while tables are joined (``joined``)."""

    def reset_parameters(self) -> None:
        """As of any table, but for one without memory: torch would load its whole compiler to draw nothing."""
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        is_joined = not torch.compiler.is_compiling() and torch.is_grad_enabled() and self.joint is not None
        ours, table = self.joint.of(self.weight) if is_joined else (self.weight, self.weight)
        rows = F.embedding(x, ours, sparse=is_joined)
        # Rounded after the rows are taken, so that their gradients add up in float32.
        return {"x": self._computed(rows), "table": self._computed(table)}

    def _computed(self, x: Tensor) -> Tensor:
        return x if self.compute_dtype is None else x.to(self.compute_dtype)


@contextlib.contextmanager
def joined(tables: Sequence[Embedding], *, is_sparse: bool = False) -> Iterator[None]:
    """While it lasts, the rows' gradients are added to those of a tied head where these lie.

    In place of a second table, or more where a model looks up several times, and another for the sum. The table's own
    gradient is dense all the same, unless nothing but rows were taken of it, ``is_sparse`` lets it be sparse, and it
    lies on a CPU. Passes of several micro-batches may overlap.
    """
    for table in tables:
        table.joint = table.joint or Joint(is_sparse=is_sparse)
        table.joint.passes += 1
    try:
        yield
    finally:
        for table in tables:
            table.joint.passes -= 1
            if not table.joint.passes:
                del table.joint


class Joint:
    """One node of autograd's for all uses of a table in a pass, and another for the table as it is."""

    def __init__(self, *, is_sparse: bool) -> None:
        self.is_sparse = is_sparse
        self.passes = 0
        """How many are under way."""
        self._both: tuple[Tensor, Tensor] | None = None

    def of(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The table to take rows of, and to give to others."""
        if self._both is None:
            ours = _Joined.apply(weight, self.is_sparse and weight.device.type == "cpu")
            self._both = ours, _Same.apply(ours)
        return self._both


class _Joined(torch.autograd.Function):
    """The same tensor, whose uses' gradients meet here; they may be sparse, what leaves only if it is said."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, is_sparse: bool) -> Tensor:
        ctx.is_sparse = is_sparse
        return x.view_as(x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        if gradient.is_sparse:
            return gradient if ctx.is_sparse else gradient.to_dense(), None
        # A new tensor of the same memory: the parameter would copy one that somebody else holds.
        return gradient.view_as(gradient), None


class _Same(torch.autograd.Function):
    """The same tensor. Of what is ready the backward pass takes first what was made last: this after all rows.

    For autograd adds a dense gradient to a sparse one where it lies, and a sparse one to a dense one's copy.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return gradient


@build.register
def _embedding(spec: specs.Embedding, inputs: Inputs) -> Embedding:
    return Embedding(spec.rows, spec.size)
