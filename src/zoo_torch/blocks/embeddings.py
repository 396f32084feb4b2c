"""The input of a transformer: token, position and type embeddings, their sum, norm and dropout."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import embeddings as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.blocks.embedding import Embedding
from zoo_torch.precision import narrowed

# B batch, T tokens, D hidden.


class Embeddings(nn.Module):
    """Sum of token, position and type embeddings, then norm and dropout."""

    def __init__(
        self,
        *,
        rows: int,
        size: int,
        type_rows: int,
        position: nn.Module | None,
        norm: nn.Module | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.token = Embedding(rows, size)
        self.position = position
        self.token_type = Embedding(type_rows, size) if type_rows else None
        self.norm = norm
        self.dropout = Dropout(rate=dropout)

    def forward(
        self, input_ids: Tensor, *, token_type_ids: Tensor | None = None, positions: Tensor | None = None
    ) -> dict[str, Tensor]:
        token = self.token(input_ids)
        x_BTD = token["x"]
        if self.token_type is not None:
            x_BTD = x_BTD + narrowed(self._types(token_type_ids), x_BTD)
        if self.position is not None:
            x_BTD = self.position(x_BTD, positions=positions)
        if self.norm is not None:
            x_BTD = self.norm(x_BTD)
        return {"x": self.dropout(x_BTD), "table": token["table"]}

    def _types(self, token_type_ids: Tensor | None) -> Tensor:
        assert self.token_type is not None
        if token_type_ids is None:
            return self.token_type.weight[0]
        return self.token_type(token_type_ids)["x"]


@build.register
def _embeddings(spec: specs.Embeddings, inputs: Inputs) -> Embeddings:
    children = build_children(spec, inputs)
    return Embeddings(
        rows=spec.rows,
        size=spec.size,
        type_rows=spec.type_rows,
        position=children.get("position"),
        norm=children.get("norm"),
        dropout=spec.dropout,
    )
