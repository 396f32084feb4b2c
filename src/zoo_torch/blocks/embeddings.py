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
        x_BTD = add_types(token["x"], self.token_type, token_type_ids)
        return {"x": self._finish(x_BTD, positions), "table": token["table"]}

    def _finish(self, x_BTD: Tensor, positions: Tensor | None) -> Tensor:
        if self.position is not None:
            x_BTD = self.position(x_BTD, positions=positions)
        if self.norm is not None:
            x_BTD = self.norm(x_BTD)
        return self.dropout(x_BTD)


class TaskTypeEmbeddings(Embeddings):
    """The same, and a vector for the pre-training task that a token's example is of."""

    def __init__(
        self,
        *,
        rows: int,
        size: int,
        type_rows: int,
        task_type_rows: int,
        position: nn.Module | None,
        norm: nn.Module | None,
        dropout: float,
    ) -> None:
        super().__init__(
            rows=rows, size=size, type_rows=type_rows, position=position, norm=norm, dropout=dropout
        )
        self.task_type = Embedding(task_type_rows, size)

    def forward(
        self,
        input_ids: Tensor,
        *,
        token_type_ids: Tensor | None = None,
        task_type_ids: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> dict[str, Tensor]:
        token = self.token(input_ids)
        x_BTD = add_types(token["x"], self.token_type, token_type_ids)
        x_BTD = add_types(x_BTD, self.task_type, task_type_ids)
        return {"x": self._finish(x_BTD, positions), "table": token["table"]}


def add_types(x_BTD: Tensor, table: Embedding | None, ids: Tensor | None) -> Tensor:
    """Adds each token's row of ``table``, the first where there are no ids; nothing without a table."""
    if table is None:
        return x_BTD
    return x_BTD + narrowed(table.weight[0] if ids is None else table(ids)["x"], x_BTD)


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


@build.register
def _task_type_embeddings(spec: specs.TaskTypeEmbeddings, inputs: Inputs) -> TaskTypeEmbeddings:
    children = build_children(spec, inputs)
    return TaskTypeEmbeddings(
        rows=spec.rows,
        size=spec.size,
        type_rows=spec.type_rows,
        task_type_rows=spec.task_type_rows,
        position=children.get("position"),
        norm=children.get("norm"),
        dropout=spec.dropout,
    )
