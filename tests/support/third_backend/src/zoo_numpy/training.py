"""A graph that learns by SGD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo_common.backend import Array, Batch, BlockCall, Dropped, Masks, State, StepResult, Weights
from zoo_common.replicas import ALONE, MicroBatch, Replicas, numbered
from zoo_numpy.model import Inference, Pass
from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_spec.training.optimizers import Sgd, check_state


class Learning(Inference):
    """A graph with weights and an optimizer."""

    def __init__(
        self,
        graph: Graph,
        training: Training,
        weights: Mapping[str, Array],
        dtype: str,
        device: str,
        replicas: Replicas = ALONE,
    ) -> None:
        super().__init__(graph, weights, dtype, device)
        if not isinstance(training.optimizer, Sgd):
            raise EnvironmentFault(f"the NumPy backend has the optimizer sgd, not {training.optimizer.kind}")
        if training.names_weights:
            raise EnvironmentFault("the NumPy backend trains every weight, and at one rate")
        self.optimizer = training.optimizer
        self.replicas = replicas
        self.step = 0
        self._decays = self.optimizer.decay_mask(
            {name: each.role for name, each in graph.parameters().items()}
        )
        self._moments: Weights = {
            f"{name}/{moment}": np.zeros_like(value)
            for name, value in self.weights.items()
            for moment in self.optimizer.moments
        }

    def train_step(
        self,
        micro_batches: Sequence[MicroBatch | Batch],
        denominators: Mapping[str, float] | None,
        rate: float,
    ) -> StepResult:
        """One step on the sum of what the micro-batches of all replicas say."""
        loss, parts = 0.0, dict.fromkeys((part.name for part in self.graph.loss_parts), 0.0)
        gradients: Weights = {name: np.zeros(value.shape) for name, value in self.weights.items()}
        for each in numbered(micro_batches):
            run = Pass(self, each.batch)
            if denominators is None:
                factors = {f"{part.name}_loss": part.factor for part in self.graph.loss_parts}
            else:
                factors = {
                    f"{part.name}_numerator": part.factor / denominators[part.name]
                    for part in self.graph.loss_parts
                }
            outputs = run.outputs
            for (output, factor), part in zip(factors.items(), self.graph.loss_parts, strict=True):
                parts[part.name] += float(outputs[output]) * factor / part.factor
                loss += float(outputs[output]) * factor
            for name, value in run.back(factors).items():
                gradients[name] = gradients[name] + value
        losses = {
            f"/{name}": np.array(value) for name, value in parts.items()
        }  # No weight's name has a slash.
        sums = self.replicas.sum({**gradients, **losses, "/": np.array(loss)})
        norm = self._apply({name: sums[name] for name in gradients}, rate)
        return StepResult(float(sums["/"]), {name: float(sums[f"/{name}"]) for name in parts}, norm)

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name."""
        return Pass(self, batch).back({"loss": 1.0})

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One step with these gradients."""
        self._apply({name: np.asarray(gradients[name], self.dtype) for name in self.weights}, rate)

    def _apply(self, gradients: Mapping[str, Array], rate: float) -> float:
        norm = float(np.sqrt(sum(np.square(value).sum() for value in gradients.values())))
        most = self.optimizer.max_gradient_norm
        scale = 1.0 if most is None else most / max(norm, most)
        for name, value in self.weights.items():
            gradient = gradients[name] * scale
            decayed = value * (1 - rate * self.optimizer.weight_decay) if self._decays[name] else value
            self.weights[name] = (decayed - rate * self._update(name, gradient)).astype(self.dtype)
        self.step += 1
        return norm

    def _update(self, name: str, gradient: Array) -> Array:
        momentum, key = self.optimizer.momentum, f"{name}/momentum"
        if not momentum:
            return gradient
        buffer = self._moments[key] = (momentum * self._moments[key] + gradient).astype(self.dtype)
        return gradient + momentum * buffer if self.optimizer.nesterov else buffer

    def dropouts(self, batch: Batch, masks: Masks, at: tuple[int, int]) -> Sequence[Dropped]:
        """None: a spec with dropout is refused."""
        return ()

    def block_calls(self, batch: Batch, *, training: bool | None = False) -> Sequence[BlockCall]:
        """Every run of a block, inner ones before those around them."""
        return Pass(self, batch).calls

    def export_state(self) -> State:
        """A copy of everything that training changes."""
        copies = [
            {name: value.copy() for name, value in each.items()} for each in (self.weights, self._moments)
        ]
        return State(*copies, self.step)

    def import_optimizer(self, optimizer: Mapping[str, Array], step: int) -> None:
        """Take over the moments of such a copy; InputError, changing nothing, unless each is there in its shape."""
        found = {name: np.array(value, self.dtype) for name, value in optimizer.items()}
        shapes = [{name: value.shape for name, value in each.items()} for each in (self._moments, found)]
        check_state(*shapes)
        self._moments = found
        self.step = step
