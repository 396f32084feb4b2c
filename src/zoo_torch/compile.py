"""From a spec to a native ``torch.nn.Module``."""

from __future__ import annotations

import torch

from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_torch.blocks.base import build
from zoo_torch.container import Model, assemble
from zoo_torch.weights import initialize

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def compile(
    spec: ExperimentSpec | Graph, seed: int = 0, dtype: str = "float32", device: str | torch.device = "cpu"
) -> Model:
    """The native model of a spec, with initial values drawn from ``seed``, in evaluation mode.

    ``model(**inputs)`` takes the graph's inputs by name and gives ``{output name: tensor}``. The same seed
    gives the same weights, bit for bit, as ``zoo_tf.compile``. ``dtype`` is ``"float32"`` or ``"float64"``.
    Raises SpecError if the spec does not make a graph.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    graph = spec if isinstance(spec, Graph) else spec.graph()
    with torch.device("meta"):
        modules = {
            node.name: build(node.block, node.specs)
            for node in graph.nodes.values()
            if node.owner == node.name
        }
    model = assemble(graph, modules)
    model.to(DTYPES[dtype])
    initialize(model, graph, seed, DTYPES[dtype])
    return model.to(device).eval()
