"""The frameworks side by side on one graph, in float64 and in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from zoo_common.backend import Backend, Batch, Weights, find_backend
from zoo_common.parity.probes import probe_inputs, probe_weights
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph

Prepare = Callable[[Backend], None]
"""Called with each backend after it is made; a mutation patches its model here."""


@dataclass
class Bench:
    """Makes backends with probe weights when they are first asked for, and keeps what they gave."""

    spec: ExperimentSpec
    graph: Graph
    frameworks: Sequence[str]
    seed: int
    device: str = "cpu"
    prepare: Prepare | None = None
    _made: dict[tuple[str, str], Backend] = field(default_factory=dict)
    _outputs: dict[tuple[str, str], dict[str, Weights]] = field(default_factory=dict)

    @cached_property
    def probes(self) -> Weights:
        """The probe weights."""
        return probe_weights(self.graph, self.seed)

    @cached_property
    def inputs(self) -> dict[str, Batch]:
        """The probe batches by name."""
        return probe_inputs(self.graph, self.seed)

    def fresh(self, framework: str, dtype: str) -> Backend:
        """A backend of its own with initial weights."""
        backend = find_backend(framework)()
        training = self.spec.training
        backend.initialize(self.graph, training, seed=training.seed, dtype=dtype, device=self.device)
        if self.prepare is not None:
            self.prepare(backend)
        return backend

    def backend(self, framework: str, dtype: str) -> Backend:
        """The backend with probe weights."""
        key = (framework, dtype)
        if key not in self._made:
            self._made[key] = self.fresh(framework, dtype)
            self._made[key].set_weights(self.probes)
        return self._made[key]

    def outputs(self, framework: str, dtype: str) -> dict[str, Weights]:
        """All outputs for each probe batch."""
        key = (framework, dtype)
        if key not in self._outputs:
            backend = self.backend(framework, dtype)
            self._outputs[key] = {name: backend.evaluate_step(batch) for name, batch in self.inputs.items()}
        return self._outputs[key]

    def forget(self) -> None:
        """Let go of the models, for levels that make their own."""
        self._made.clear()
        self._outputs.clear()
