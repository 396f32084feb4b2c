"""Activation recomputation: training keeps each transformer layer's inputs and computes the rest again."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Graph
from zoo_torch.blocks.layer import Layer


def recompute_layers(model: nn.Module, graph: Graph, apart: Collection[str] = ()) -> None:
    """Switch it on in every layer of the model, but for those at the paths ``apart``, and what is in them.

    Raises SpecError if the graph has no layer, EnvironmentFault for a layer whose torch half cannot do it.
    """
    for place in graph.layers():
        if any(f"{place.path}.".startswith(f"{path}.") for path in apart):
            continue
        layer = model.get_submodule(place.path)
        if not isinstance(layer, Layer):
            kind = place.block.kind
            raise EnvironmentFault(
                f"training.recompute: block {kind!r} has a torch half that cannot recompute; derive it from "
                "zoo_torch.blocks.layer.Layer"
            )
        layer.recompute = True
