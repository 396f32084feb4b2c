"""Attention, and the role that it plays: mixing along the sequence."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids, require_sequence
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.blocks.position import QueryKeyPosition
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer
from zoo_spec.tensors import Dimension, TensorSpec


class SequenceMixer(Block):
    """Mixes the positions of a row; all kinds share these ports.

    ``x [batch, sequence, hidden]``; ``example_ids [batch, sequence]``: a position sees those of its own
    example, left out, the whole row is one example; ``positions [batch, sequence]``: within the example.
    """

    role: ClassVar[str] = "attention"
    optional = ("example_ids", "positions")

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        require_sequence(x)
        require_ids(inputs, "example_ids", "positions", shape=x.shape[:2])
        return {"x": x}


class Attention(SequenceMixer):
    """Multi-head scaled dot-product attention (Vaswani et al., 2017, 3.2)."""

    kind: Literal["attention"] = "attention"
    num_heads: PositiveInt
    """Number of heads; must divide the hidden size."""
    mask: Literal["bidirectional", "causal"] = "bidirectional"
    """Whether a position sees its whole example or only what is not after it."""
    bias: bool = True
    """Whether the four projections have biases."""
    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the four projections."""
    project_initializer: Initializer | None = None
    """Initial values of the last projection, where others than the rest's; null for the same."""
    position: QueryKeyPosition | None = None
    """What queries and keys are told of their positions, such as rotary; null for nothing."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        outputs = super().infer(inputs)
        if inputs["x"].width % self.num_heads:
            raise ShapeError(
                f"hidden_size {inputs['x'].width} is not a multiple of num_heads {self.num_heads}"
            )
        if self.position is not None:
            self.infer_child("position", inputs)
        return outputs

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``query``, ``key``, ``value``, ``project``, ``dropout`` and, if there is one, ``position``."""
        x = inputs["x"]
        dense = Dense(size=x.width, bias=self.bias, initializer=self.initializer)
        length = x.shape[1]
        weights = TensorSpec((x.shape[0], self.num_heads, length, length), axes=("batch", "heads"))
        last = self.initializer if self.project_initializer is None else self.project_initializer
        children: dict[str, tuple[Block, Inputs]] = {
            **{name: (dense, {"x": x}) for name in ("query", "key", "value")},
            "project": (dense.model_copy(update={"initializer": last}), {"x": x}),
            "dropout": (Dropout(rate=self.dropout), {"x": weights}),
        }
        if self.position is not None:
            heads = TensorSpec((x.shape[0], self.num_heads, length, x.width // self.num_heads), x.dtype)
            positions = {"positions": inputs["positions"]} if "positions" in inputs else {}
            children["position"] = (self.position, {"x": heads, **positions})
        return children

    def cost(self, inputs: Inputs) -> Cost:
        """Two batched products; query, key, value, the mixed values and softmax's weights are kept.

        The input is shared by three projections, so two of the three that they count are taken back. Dropped
        weights are kept beside the whole ones. A fused kernel would keep no weights: TensorFlow has none, torch
        takes one over long rows without dropout and on accelerators. Causal products are counted whole, as most
        kernels compute them.
        """
        x = inputs["x"]
        length = int(x.shape[1])
        weights = int(x.shape[0]) * self.num_heads * length * length
        saved = (3 - 2) * x.elements + (weights if self.dropout else 0)
        return Cost(flops=4 * x.elements * length, kernels=2, saved=saved, wide=weights)


class BandedAttention(Attention):
    """Attention to the nearest positions alone, those less than ``window`` away (Child et al., 2019).

    A locally banded pattern: with the causal mask each position sees itself and the ``window - 1`` before it.
    """

    kind: Literal["banded_attention"] = "banded_attention"  # type: ignore[assignment]
    window: PositiveInt
    """Distance from which on positions do not see each other; 1 leaves each itself alone."""

    def thresholds(self, inputs: Inputs) -> dict[Dimension, int]:
        """Rows that the window covers."""
        return {inputs["x"].shape[1]: self.window}
