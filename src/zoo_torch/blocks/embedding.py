"""A table of vectors, one a token."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import embedding as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class Embedding(nn.Embedding):
    """Rows of a table by id; gives the rows as ``x`` and the table itself, for tied heads."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"x": super().forward(x), "table": self.weight}


@build.register
def _embedding(spec: specs.Embedding, inputs: Inputs) -> Embedding:
    return Embedding(spec.rows, spec.size)
