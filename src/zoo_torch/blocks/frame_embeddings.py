"""The input of a speech transformer: features of frames, some of them hidden, and positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import frame_embeddings as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.precision import narrowed

# B batch, T frames, D hidden.


class FrameEmbeddings(nn.Module):
    """Norm and dense layer of each frame, hidden frames replaced, padding zeroed; positions, norm, dropout."""

    def __init__(
        self,
        *,
        features: int,
        size: int,
        feature_norm: nn.Module,
        position: nn.Module,
        norm: nn.Module | None,
        feature_dropout: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.mask_embedding = nn.Parameter(torch.empty(size))
        self.feature_norm = feature_norm
        self.projection = Dense(features, size)
        self.feature_dropout = Dropout(rate=feature_dropout)
        self.position = position
        self.norm = norm
        self.dropout = Dropout(rate=dropout)

    def forward(
        self, x: Tensor, *, frame_mask: Tensor | None = None, frame_ids: Tensor | None = None
    ) -> Tensor:
        x_BTD = self.feature_dropout(self.projection(self.feature_norm(x)))
        if frame_mask is not None:
            x_BTD = torch.where(frame_mask[:, :, None] > 0, narrowed(self.mask_embedding, x_BTD), x_BTD)
        if frame_ids is not None:
            x_BTD = x_BTD.masked_fill(frame_ids[:, :, None] == 0, 0)
        x_BTD = self.position(x_BTD)
        return self.dropout(x_BTD if self.norm is None else self.norm(x_BTD))


@build.register
def _frame_embeddings(spec: specs.FrameEmbeddings, inputs: Inputs) -> FrameEmbeddings:
    children = build_children(spec, inputs)
    return FrameEmbeddings(
        features=inputs["x"].width,
        size=spec.size,
        feature_norm=children["feature_norm"],
        position=children["position"],
        norm=children.get("norm"),
        feature_dropout=spec.feature_dropout,
        dropout=spec.dropout,
    )
