"""Training without logits that nobody but the loss reads: their head hands on what they are made of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from zoo_common.logits import in_parts
from zoo_spec.graph import Graph
from zoo_torch.blocks.product import Product
from zoo_torch.precision import narrowed


@contextlib.contextmanager
def sparing_logits(model: nn.Module, graph: Graph) -> Iterator[None]:
    """While it lasts, no logits are among the outputs that only the loss needs (``Graph.spared_logits``).

    Passes of several micro-batches may overlap, as where they share each reading of a weight.
    """
    heads = [model.get_submodule(each.product) for each in graph.spared_logits] if in_parts() else []
    for head in heads:
        # The same one each time, for what torch.compile made is of this one.
        head.forward = head.__dict__.setdefault("_factors", _Factors(head))
        head.forward.passes += 1
    try:
        yield
    finally:
        for head in heads:
            head.forward.passes -= 1
            if not head.forward.passes:
                del head.forward


@dataclass
class _Factors:
    """Stands in the place of the ``forward`` of a dense layer, or one that is tied to a table."""

    head: nn.Module
    passes: int = 0
    """How many are under way."""

    def __call__(self, x: Tensor, table: Tensor | None = None) -> Product:
        """What the layer multiplies."""
        weight = self.head.weight if table is None else table
        bias = None if self.head.bias is None else narrowed(self.head.bias, x)
        return Product(x, narrowed(weight, x), bias)
