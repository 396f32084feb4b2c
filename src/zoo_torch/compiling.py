"""From a spec to a native ``torch.nn.Module``."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from zoo_common.weights import InitialValues, WeightSource
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.plugins import tell_broken_halves
from zoo_torch.attention_path import choose_open_lengths
from zoo_torch.blocks.base import build
from zoo_torch.blocks.dense import Dense
from zoo_torch.container import Model, assemble, compute_in
from zoo_torch.weights import fill, set_weights

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def compile(
    spec: ExperimentSpec | Graph,
    seed: int = 0,
    dtype: str = "float32",
    device: str | torch.device | None = None,
) -> Model:
    """The native model of a spec, with initial values drawn from ``seed``.

    It is in evaluation mode until it is told otherwise: call ``model.train()`` before training.

    ``model(**inputs)`` takes the graph's inputs by name and gives ``{output name: tensor}``. The same seed
    gives the same weights, bit for bit, as ``zoo_tf.compile``. ``dtype`` is ``"float32"``, ``"float64"`` or
    ``"bfloat16"``: products and activations are then bfloat16, and parameters, norms, softmax and losses
    float32. ``device`` is torch's own default if it is left out (``with torch.device(...)``). On ``meta``, and
    where parameters are kept from getting memory (accelerate's ``init_empty_weights``), no values are drawn: give
    it some by ``set_weights`` or ``load_state_dict(..., assign=True)``. Raises SpecError if the spec does not make
    a graph.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    graph = spec if isinstance(spec, Graph) else spec.graph()
    return compiled(graph, InitialValues(graph.parameters(), seed), dtype, device)


def compiled(
    graph: Graph,
    weights: WeightSource,
    dtype: str,
    device: str | torch.device | None = None,
    *,
    without: Collection[str] = (),
) -> Model:
    """As ``compile``, with these weights; none is read where the model gets no memory for them.

    Those ``without`` stay on ``meta``.
    """
    with torch.device("meta"):
        modules = {
            node.name: build(node.block, node.specs)
            for node in graph.nodes.values()
            if node.owner == node.name
        }
    tell_broken_halves("torch")
    half = DTYPES[dtype] if dtype == "bfloat16" else None
    model = assemble(graph, modules).eval()
    kept = torch.float32 if half is not None else DTYPES[dtype]
    model.to(kept)
    if half is None:
        _take_plain_linears(model)
    else:
        compute_in(model, half)
    where = torch.get_default_device() if device is None else torch.device(device)
    if _gives_no_memory():
        return model
    if where.type == "cpu":
        choose_open_lengths(model, DTYPES[dtype])
    if without:
        values = {name: tensor for name, tensor in model.state_dict().items() if name not in without}
        fill(model, values, weights)
        return model._apply(lambda tensor: tensor if tensor.is_meta else tensor.to(where))
    if where.type != "meta":
        set_weights(model, weights)
    return model.to(where)


def _take_plain_linears(model: Model) -> None:
    """Where nothing is narrowed a dense layer is torch's own, and of its class.

    ``quantize_dynamic`` and others like it look for exactly that, and would leave a subclass as it is in silence.
    """
    for module in model.modules():
        if type(module) is Dense:
            module.__class__ = nn.Linear


def _gives_no_memory() -> bool:
    """Whether parameters that are registered now lose their values, as in accelerate's ``init_empty_weights``."""
    probe = nn.Module()
    probe.register_parameter("probe", nn.Parameter(torch.empty(0, device="cpu")))
    return bool(probe.probe.is_meta)
