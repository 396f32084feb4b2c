"""Linformer's layerwise sharing (Wang et al., 2020, 4): a stack that owns the one projection of all its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from zoo_spec.blocks.base import Block, Inputs, Outputs
from zoo_spec.blocks.layer import PostNormLayer, Stack
from zoo_spec.blocks.linformer_attention import LayerwiseLinformerAttention
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec


class LinformerLayer(PostNormLayer):
    """A post-norm layer that hands the stack's ``projection [size, length]`` on to its attention."""

    kind: Literal["linformer_layer"] = "linformer_layer"  # type: ignore[assignment]
    required: ClassVar[tuple[str, ...]] = ("x", "projection")
    attention: LayerwiseLinformerAttention
    """What mixes the positions."""


class LinformerStack(Stack):
    """Layers that share one projection along the sequence, as large as their attention says."""

    kind: Literal["linformer_stack"] = "linformer_stack"  # type: ignore[assignment]
    layer: LinformerLayer
    """What each layer is; all but the projection are weights of its own."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        return self.layer.infer(self._with_projection(inputs))

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``projection [size, length]``."""
        attention = self.layer.attention
        return {"projection": Parameter((attention.size, attention.length), attention.initializer, "weight")}

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """``layers.0``, ``layers.1``, ... and ``norm``."""
        return super().children(self._with_projection(inputs))

    def _with_projection(self, inputs: Inputs) -> Inputs:
        attention = self.layer.attention
        return {**inputs, "projection": TensorSpec((attention.size, attention.length), inputs["x"].dtype)}
