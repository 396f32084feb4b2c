"""A graph with weights that computes; and where the gradients of its outputs are known, those of its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zoo_common.backend import Array, Batch, BlockCall, Exported, Weights
from zoo_numpy.blocks import Ran, Seat, Values, require_half
from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Graph
from zoo_spec.tensors import INT
from zoo_spec.weights import check_names, check_shape

DTYPES = ("float32", "float64")
Ref = tuple[str, str]
"""A node and one of its outputs."""


class Inference:
    """A graph with weights, to compute with."""

    name = "numpy"

    def __init__(self, graph: Graph, weights: Mapping[str, Array], dtype: str, device: str) -> None:
        if dtype not in DTYPES or device not in ("auto", "cpu"):
            raise EnvironmentFault(
                f"the NumPy backend has {', '.join(DTYPES)} on the CPU, not {dtype} on {device}"
            )
        for node in graph.nodes.values():
            require_half(node.block)
        self.graph = graph
        self.dtype = np.dtype(dtype)
        self.weights: Weights = {}
        self.set_weights(weights)

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights, and nothing else; InputError, changing nothing, unless every name and shape fits."""
        table, found = self.graph.parameters(), {}
        check_names(table, weights)
        for name, parameter in table.items():
            value = weights[name]
            check_shape(name, parameter.shape, value.shape)
            found[name] = np.array(value, self.dtype)
        self.weights = found

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels."""
        return Pass(self, batch).outputs

    def call(self, batch: Batch) -> Weights:
        """The same."""
        return self.evaluate_step(batch)

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""
        return self.evaluate_step({name: batch[name] for name in self.graph.features if name in batch})

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """EnvironmentFault: NumPy has no programs."""
        raise EnvironmentFault(
            "the NumPy backend has no form of a program to export; export in another framework"
        )

    def device_bytes(self) -> None:
        """None: it is on the CPU."""


class Pass:
    """A batch on its way through a model, and back."""

    def __init__(self, model: Inference, batch: Batch) -> None:
        self.graph = model.graph
        self.gradients: Weights = {}
        self.calls: list[BlockCall] = []
        self._ran: list[tuple[str, dict[str, Ref], Ran]] = []
        self._values: dict[Ref, Array] = {}
        for name, value in batch.items():
            is_integer = self.graph.inputs[name].dtype == INT
            self._values[name, ""] = np.asarray(value) if is_integer else np.asarray(value, model.dtype)
        for node in self.graph.nodes.values():
            ports = {port: self._source(ref.source, ref.output) for port, ref in node.inputs.items()}
            if all(ports[port] in self._values for port in node.required):
                given = {port: self._values[ref] for port, ref in ports.items() if ref in self._values}
                ran = Seat(node.owner, model.weights, self.gradients, self.calls).run(node.block, given)
                self._ran.append((node.name, ports, ran))
                self._values.update({(node.name, name): value for name, value in ran.gave.items()})

    @property
    def outputs(self) -> Weights:
        """Those that what was given leads to."""
        refs = {name: self._source(ref.source, ref.output) for name, ref in self.graph.output_refs.items()}
        return {name: np.array(self._values[ref]) for name, ref in refs.items() if ref in self._values}

    def back(self, factors: Mapping[str, float]) -> Weights:
        """The gradient of the sum of these outputs, each times its factor, by every parameter's name."""
        into: dict[Ref, Array] = {}
        for name, factor in factors.items():
            ref = self.graph.output_refs[name]
            place = self._source(ref.source, ref.output)
            into[place] = into.get(place, 0) + self._values[place].dtype.type(factor)
        for name, ports, ran in reversed(self._ran):
            above: Values = {output: into[name, output] for output in ran.gave if (name, output) in into}
            for port, gradient in ran.back(above).items() if above else ():
                into[ports[port]] = into.get(ports[port], 0) + gradient
        return {
            name: self.gradients.get(name, np.zeros(parameter.shape, np.float64))
            for name, parameter in self.graph.parameters().items()
        }

    def _source(self, source: str, output: str | None) -> Ref:
        node = self.graph.nodes.get(source)
        return (source, "") if node is None else (source, output or next(iter(node.outputs)))
