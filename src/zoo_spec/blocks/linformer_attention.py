"""Linformer's attention (Wang et al., 2020): keys and values are projected along the sequence to a few rows."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt, Rate
from zoo_spec.blocks.attention import SequenceMixer
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.dropout import Dropout
from zoo_spec.cost import Cost
from zoo_spec.initializers import GlorotUniform, Initializer
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec


class ProjectedAttention(SequenceMixer):
    """``softmax(Q (E K)^T / sqrt(d)) (F V)`` (Wang et al., 2020, 4); the subclasses say whose ``E`` and ``F`` are.

    ``E`` and ``F`` are ``[size, length]``; a shorter sequence uses their first columns. The paper knows no padding:
    here keys and values of positions with example 0 are zero before they are projected, so that a padded row gives
    what its example gives alone. Rows of ``E K`` mix all positions, so several examples in a row, and a causal mask,
    are out of the question.
    """

    keeps_examples_apart: ClassVar[bool] = False
    num_heads: PositiveInt
    """Number of heads; must divide the hidden size."""
    size: PositiveInt
    """Rows that keys and values are projected to; the paper's k."""
    length: PositiveInt
    """Longest sequence; the paper's n."""
    bias: bool = True
    """Whether the four dense projections have biases; those along the sequence have none."""
    dropout: Rate = 0.0
    """Dropout rate of the attention weights."""
    initializer: Initializer = GlorotUniform()
    """Initial values of all projections."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        outputs = super().infer(inputs)
        x = inputs["x"]
        if x.width % self.num_heads:
            raise ShapeError(f"hidden_size {x.width} is not a multiple of num_heads {self.num_heads}")
        if isinstance(x.shape[1], int) and x.shape[1] > self.length:
            raise ShapeError(
                f"projects sequences of {self.length} at most (length), and meets one of {x.shape[1]}; raise it, or "
                "shorten the sequence"
            )
        return outputs

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``query``, ``key``, ``value``, ``project`` and ``dropout``."""
        x = inputs["x"]
        dense = Dense(size=x.width, bias=self.bias, initializer=self.initializer)
        weights = TensorSpec((x.shape[0], self.num_heads, x.shape[1], self.size), axes=("batch", "heads"))
        return {
            **{name: (dense, {"x": x}) for name in ("query", "key", "value", "project")},
            "dropout": (Dropout(rate=self.dropout), {"x": weights}),
        }

    def cost(self, inputs: Inputs) -> Cost:
        """Four batched products: two along the sequence, the scores, the mixed values.

        Kept: query, key and value (two of the three shared inputs that the dense layers count are taken back), keys
        and values projected, and softmax's weights.
        """
        x = inputs["x"]
        projected = int(x.shape[0]) * self.size * x.width
        weights = int(x.shape[0]) * self.num_heads * int(x.shape[1]) * self.size
        saved = (3 - 2) * x.elements + 2 * projected + (weights if self.dropout else 0)
        return Cost(flops=8 * x.elements * self.size, kernels=4, saved=saved, wide=weights)


class LinformerAttention(ProjectedAttention):
    """The layer's own projections along the sequence."""

    kind: Literal["linformer_attention"] = "linformer_attention"
    sharing: Literal["none", "heads", "key_value"] = "heads"
    """Who shares a projection (Wang et al., 2020, 4). ``none``: each head has two, for keys and values. ``heads``:
    all heads share these two. ``key_value``: there is one, for keys and values of all heads."""

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``key_projection`` and ``value_projection``, ``[size, length]`` or for each head; or one ``projection``."""
        heads = (self.num_heads,) if self.sharing == "none" else ()
        matrix = Parameter((*heads, self.size, self.length), self.initializer, "weight")
        if self.sharing == "key_value":
            return {"projection": matrix}
        return {"key_projection": matrix, "value_projection": matrix}


class LayerwiseLinformerAttention(ProjectedAttention):
    """One projection for keys and values of all heads and layers, which a ``linformer_stack`` owns.

    One more port: ``projection [size, length]``.
    """

    kind: Literal["layerwise_linformer_attention"] = "layerwise_linformer_attention"
    required: ClassVar[tuple[str, ...]] = ("x", "projection")

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        met = inputs.get("projection")
        if met is None:
            raise ShapeError(
                "needs the projection that a linformer_stack owns; put its linformer_layer into one of these, "
                "or take linformer_attention"
            )
        if met.shape != (self.size, self.length):
            raise ShapeError(f"needs a projection [{self.size}, {self.length}]; it is {met}")
        return super().infer(inputs)
