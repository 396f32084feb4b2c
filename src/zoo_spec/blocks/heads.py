"""Heads: what turns hidden states into predictions."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.activation import ActivationKind, activation
from zoo_spec.blocks.base import Block, Inputs, Outputs, require_ids, require_sequence
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer
from zoo_spec.tensors import Dimension, TensorSpec


class MaskedLmHead(Block):
    """Logits of the masked positions only (Devlin et al., 2019, 3.1; google-research/bert, run_pretraining.py).

    Gathers ``masked_positions [batch, predictions]`` from ``x [batch, sequence, hidden]``, then dense,
    activation, norm, and the product with the embedding's ``table [vocabulary, hidden]`` plus a bias:
    ``[batch, predictions, vocabulary]``.
    """

    kind: Literal["masked_lm_head"] = "masked_lm_head"
    required = ("x", "table", "masked_positions")
    last_product: ClassVar[str | None] = "decoder"
    activation: ActivationKind
    """Activation after the dense layer."""
    norm: Norm
    """Norm after the activation."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, predictions, vocabulary]``."""
        x, positions = inputs["x"], inputs["masked_positions"]
        require_sequence(x)
        require_ids(
            inputs, "masked_positions", shape=(x.shape[0], *(positions.shape[1:2] or ("predictions",)))
        )
        return {"logits": self.infer_child("decoder", inputs)["x"]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dense``, ``activation``, ``norm``, ``decoder``."""
        x, positions = inputs["x"], inputs["masked_positions"]
        gathered = TensorSpec(
            (*positions.shape, x.shape[-1]), x.dtype, axes=(*positions.named_axes, "hidden")
        )
        return {
            "dense": (Dense(size=x.width, initializer=self.initializer), {"x": gathered}),
            "activation": (activation(self.activation), {"x": gathered}),
            "norm": (self.norm, {"x": gathered}),
            "decoder": (TiedDense(bias=True), {"x": gathered, "table": inputs["table"]}),
        }

    def points(self, inputs: Inputs) -> dict[str, Dimension]:
        """``masked_positions``."""
        return {"masked_positions": inputs["x"].shape[1]}

    def cost(self, inputs: Inputs) -> Cost:
        """What is gathered from is kept."""
        return Cost(saved=inputs["x"].elements)


class ClassifierHead(Block):
    """Dropout, then a dense layer to the classes: ``[..., features]`` to ``[..., classes]``."""

    kind: Literal["classifier_head"] = "classifier_head"
    classes: PositiveInt
    """Number of classes."""
    dropout: Rate = 0.0
    """Dropout rate of the features."""
    bias: bool = True
    """Whether a bias is added."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[..., classes]``."""
        x = self.infer_child("dense", inputs)["x"]
        return {"logits": x.with_width(self.classes, "classes")}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dropout`` and ``dense``."""
        dense = Dense(size=self.classes, bias=self.bias, initializer=self.initializer)
        return {"dropout": (Dropout(rate=self.dropout), inputs), "dense": (dense, inputs)}


class ScoreHead(Block):
    """Dropout, then a dense layer to one number: ``[..., features]`` to ``[...]``."""

    kind: Literal["score_head"] = "score_head"
    dropout: Rate = 0.0
    """Dropout rate of the features."""
    bias: bool = True
    """Whether a bias is added."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[...]``."""
        x = self.infer_child("dense", inputs)["x"]
        return {"logits": x.with_shape(*x.shape[:-1], axes=x.named_axes[:-1])}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dropout`` and ``dense``."""
        dense = Dense(size=1, bias=self.bias, initializer=self.initializer)
        return {"dropout": (Dropout(rate=self.dropout), inputs), "dense": (dense, inputs)}


class SpanHead(Block):
    """Where a span starts and ends (Devlin et al., 2019, 4.2; google-research/bert, run_squad.py).

    ``x [batch, sequence, hidden]`` to ``start_logits`` and ``end_logits [batch, sequence]``, by a dense layer
    with two outputs. Padding has logits too, which say nothing.
    """

    kind: Literal["span_head"] = "span_head"
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``start_logits`` and ``end_logits``, both ``[batch, sequence]``."""
        x = inputs["x"]
        require_sequence(x)
        logits = x.with_shape(*x.shape[:2], axes=x.named_axes[:2])
        return {"start_logits": logits, "end_logits": logits}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dense``."""
        return {"dense": (Dense(size=2, initializer=self.initializer), inputs)}
