"""From a spec to a native ``torch.nn.Module``."""

from __future__ import annotations

import torch

from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_torch.blocks.base import build
from zoo_torch.blocks.embedding import Embedding
from zoo_torch.container import Model, assemble
from zoo_torch.weights import initialize

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def compile(
    spec: ExperimentSpec | Graph, seed: int = 0, dtype: str = "float32", device: str | torch.device = "cpu"
) -> Model:
    """The native model of a spec, with initial values drawn from ``seed``, in evaluation mode.

    ``model(**inputs)`` takes the graph's inputs by name and gives ``{output name: tensor}``. The same seed
    gives the same weights, bit for bit, as ``zoo_tf.compile``. ``dtype`` is ``"float32"``, ``"float64"`` or
    ``"bfloat16"``: products and activations are then bfloat16, and parameters, norms, softmax and losses
    float32. Raises SpecError if the spec does not make a graph.
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
    half = DTYPES[dtype] if dtype == "bfloat16" else None
    model = assemble(graph, modules, input_dtype=half)
    for module in model.modules():
        if isinstance(module, Embedding):
            module.compute_dtype = half
    kept = torch.float32 if half is not None else DTYPES[dtype]
    model.to(kept)
    initialize(model, graph, seed, kept)
    return model.to(device).eval()
