"""Cross-attention, and the role that it plays: reading another sequence, such as an encoder's."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_ids, require_sequence
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer, LecunNormal, Normal
from zoo_spec.tensors import TensorSpec


class CrossMixer(Block):
    """Brings what a memory holds into the positions of a row; all kinds share these ports.

    ``x [batch, sequence, hidden]`` reads ``memory [batch, memory sequence, width]``. ``example_ids`` are of ``x``,
    ``memory_example_ids`` of the memory: a position sees the memory of its own example alone, so that packed rows
    stay apart, and one whose example has no memory reads zeros. Left out, each row is example 1.
    """

    role: ClassVar[str] = "cross_attention"
    required = ("x", "memory")
    optional = ("example_ids", "memory_example_ids")

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        x, memory = inputs["x"], inputs["memory"]
        require_sequence(x)
        require_sequence(memory)
        if x.shape[0] != memory.shape[0]:
            raise ShapeError("needs x and a memory of one batch")
        require_ids(inputs, "example_ids", shape=x.shape[:2])
        require_ids(inputs, "memory_example_ids", shape=memory.shape[:2])
        return {"x": x}


class CrossAttention(CrossMixer):
    """Multi-head scaled dot-product attention to a memory (Vaswani et al., 2017, 3.2.3)."""

    kind: Literal["cross_attention"] = "cross_attention"
    num_heads: PositiveInt
    """Number of heads; must divide the hidden size."""
    bias: bool = True
    """Whether the four projections have biases."""
    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    initializer: Initializer = GlorotUniform()
    """Initial values of the four projections."""

    def infer(self, inputs: Inputs) -> Outputs:
        """The shape of ``x``."""
        outputs = super().infer(inputs)
        if inputs["x"].width % self.num_heads:
            raise ShapeError(
                f"hidden_size {inputs['x'].width} is not a multiple of num_heads {self.num_heads}"
            )
        return outputs

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``query``, ``key``, ``value``, ``project`` and ``dropout``."""
        x, memory = {"x": inputs["x"]}, {"x": inputs["memory"]}
        dense = Dense(size=inputs["x"].width, bias=self.bias, initializer=self.initializer)
        return {
            "query": (dense, x),
            "key": (dense, memory),
            "value": (dense, memory),
            "project": (dense, x),
            "dropout": (Dropout(rate=self.dropout), {"x": weights_spec(inputs, self.num_heads)}),
        }

    def cost(self, inputs: Inputs) -> Cost:
        """Two batched products, as ``products_cost`` says."""
        return products_cost(inputs, self.num_heads, inputs["x"].width, dropout=self.dropout)


class UnscaledCrossAttention(CrossMixer):
    """T5's attention to a memory: no scale, heads as wide as one likes (Raffel et al., 2020, 2.1)."""

    kind: Literal["unscaled_cross_attention"] = "unscaled_cross_attention"
    num_heads: PositiveInt
    """Number of heads."""
    head_size: PositiveInt
    """Width of a head."""
    bias: bool = False
    """Whether the four projections have biases."""
    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    initializer: Initializer = LecunNormal()
    """Initial values of the projections but the query's, which start smaller by the root of the head's width."""

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``query``, ``key``, ``value``, ``project`` and ``dropout``."""
        return {
            **unscaled_projections(
                self.num_heads * self.head_size,
                inputs["x"],
                inputs["memory"],
                head_size=self.head_size,
                bias=self.bias,
                initializer=self.initializer,
            ),
            "dropout": (Dropout(rate=self.dropout), {"x": weights_spec(inputs, self.num_heads)}),
        }

    def cost(self, inputs: Inputs) -> Cost:
        """Two batched products, as ``products_cost`` says."""
        return products_cost(inputs, self.num_heads, self.num_heads * self.head_size, dropout=self.dropout)


def unscaled_projections(
    inner: int,
    x: TensorSpec,
    memory: TensorSpec,
    *,
    head_size: int,
    bias: bool,
    initializer: Initializer,
) -> dict[str, tuple[Block, Inputs]]:
    """``query``, ``key``, ``value`` of width ``inner``, and ``project`` back.

    What scaling the scores would do is in the query's initial values (mesh-tensorflow, attention_params).
    """
    query = Dense(size=inner, bias=bias, initializer=Normal(std=(x.width * head_size) ** -0.5))
    dense = Dense(size=inner, bias=bias, initializer=initializer)
    return {
        "query": (query, {"x": x}),
        "key": (dense, {"x": memory}),
        "value": (dense, {"x": memory}),
        "project": (Dense(size=x.width, bias=bias, initializer=initializer), {"x": x.with_width(inner)}),
    }


def weights_spec(inputs: Inputs, num_heads: int) -> TensorSpec:
    """The attention weights: ``[batch, heads, sequence, memory sequence]``."""
    x, memory = inputs["x"], inputs.get("memory", inputs["x"])
    return TensorSpec((x.shape[0], num_heads, x.shape[1], memory.shape[1]), axes=("batch", "heads", "", ""))


def products_cost(inputs: Inputs, num_heads: int, inner: int, *, dropout: float) -> Cost:
    """The two batched products of attention; query, key, value, the mixed values and softmax's weights are kept.

    Projections that share an input count it each, so all but one of them are taken back. Dropped weights are kept
    beside the whole ones.
    """
    x, memory = inputs["x"], inputs.get("memory", inputs["x"])
    batch, length, memory_length = int(x.shape[0]), int(x.shape[1]), int(memory.shape[1])
    weights = batch * num_heads * length * memory_length
    query, key = batch * length * inner, batch * memory_length * inner
    shared = memory.elements if "memory" in inputs else 2 * x.elements
    # project, a child, counts the mixed values.
    saved = query + 2 * key - shared + (weights if dropout else 0)
    return Cost(flops=4 * query * memory_length, kernels=2, saved=saved, wide=weights)
