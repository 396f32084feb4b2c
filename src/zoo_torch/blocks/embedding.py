"""A table of vectors, one a token."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from zoo_spec.blocks import embedding as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class Embedding(nn.Embedding):
    """Rows of a table by id; gives the rows as ``x`` and the table itself, for tied heads.

    Ids have no dtype to compute in, so ``compute_dtype`` says it; None is the table's own. With ``sparse`` the rows'
    gradients are added to those of a tied head where these lie, in place of a second table and a third for
    the sum; the table's own gradient is dense all the same.
    """

    compute_dtype: torch.dtype | None = None

    def reset_parameters(self) -> None:
        """As of any table, but for one without memory: torch would load its whole compiler to draw nothing."""
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        is_sparse = self.sparse and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        joined = _Joined.apply(self.weight) if is_sparse else self.weight
        table = _Same.apply(joined) if is_sparse else joined
        rows = F.embedding(x, joined, sparse=is_sparse)
        # Rounded after the rows are taken, so that their gradients add up in float32.
        return {"x": self._computed(rows), "table": self._computed(table)}

    def _computed(self, x: Tensor) -> Tensor:
        return x if self.compute_dtype is None else x.to(self.compute_dtype)


class _Joined(torch.autograd.Function):
    """The same tensor, whose uses' gradients meet here; they may be sparse, what leaves is dense."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        # A new tensor of the same memory: the parameter would copy one that somebody else holds.
        return gradient.to_dense() if gradient.is_sparse else gradient.view_as(gradient)


class _Same(torch.autograd.Function):
    """The same tensor. Of what is ready the backward pass takes first what was made last: this after the rows.

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
