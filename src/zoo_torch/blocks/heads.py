"""Heads: what turns hidden states into predictions."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import heads as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.dense import Dense
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.blocks.gather import gather
from zoo_torch.blocks.tied_dense import TiedDense

# B batch, T tokens, D hidden, P predictions, V vocabulary.


class MaskedLmHead(nn.Module):
    """Logits ``[B, P, V]`` of the masked positions only: gather, dense, activation, norm, the tied table."""

    def __init__(self, *, hidden_size: int, rows: int, activation: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.dense = Dense(hidden_size, hidden_size)
        self.activation = activation
        self.norm = norm
        self.decoder = TiedDense(rows=rows, bias=True)

    def forward(self, x: Tensor, table: Tensor, masked_positions: Tensor) -> Tensor:
        x_BPD = gather(x, masked_positions)
        return self.decoder(self.norm(self.activation(self.dense(x_BPD))), table)


class ClassifierHead(nn.Module):
    """Dropout, then a dense layer to the classes: ``[..., features]`` to ``[..., classes]``."""

    def __init__(self, *, features: int, classes: int, dropout: float, bias: bool = True) -> None:
        super().__init__()
        self.dropout = Dropout(rate=dropout)
        self.dense = Dense(features, classes, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.dropout(x))


class ScoreHead(nn.Module):
    """Dropout, then a dense layer to one number: ``[..., features]`` to ``[...]``."""

    def __init__(self, *, features: int, dropout: float, bias: bool = True) -> None:
        super().__init__()
        self.dropout = Dropout(rate=dropout)
        self.dense = Dense(features, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.dropout(x))[..., 0]


class SpanHead(nn.Module):
    """Where a span starts and ends: ``[B, T, D]`` to ``start_logits`` and ``end_logits``, ``[B, T]``."""

    def __init__(self, *, features: int) -> None:
        super().__init__()
        self.dense = Dense(features, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits_BT2 = self.dense(x)
        return {"start_logits": logits_BT2[..., 0], "end_logits": logits_BT2[..., 1]}


@build.register
def _masked_lm_head(spec: specs.MaskedLmHead, inputs: Inputs) -> MaskedLmHead:
    children = build_children(spec, inputs)
    return MaskedLmHead(
        hidden_size=inputs["x"].width,
        rows=int(inputs["table"].shape[0]),
        activation=children["activation"],
        norm=children["norm"],
    )


@build.register
def _classifier_head(spec: specs.ClassifierHead, inputs: Inputs) -> ClassifierHead:
    return ClassifierHead(
        features=inputs["x"].width, classes=spec.classes, dropout=spec.dropout, bias=spec.bias
    )


@build.register
def _score_head(spec: specs.ScoreHead, inputs: Inputs) -> ScoreHead:
    return ScoreHead(features=inputs["x"].width, dropout=spec.dropout, bias=spec.bias)


@build.register
def _span_head(spec: specs.SpanHead, inputs: Inputs) -> SpanHead:
    return SpanHead(features=inputs["x"].width)
