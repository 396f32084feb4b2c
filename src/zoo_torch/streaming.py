"""PyTorch at work on a model whose weights lie in files, and come into memory a unit at a time.

Results are those of a resident model that recomputes its layers, bit for bit, as long as a unit's inputs are read by
that unit alone: gradients of what several units read, such as a bias or a memory, add up unit by unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo_common.allocation import OneHeap
from zoo_common.backend import Array, Batch, Exported, State, StepResult, Streaming, Weights
from zoo_common.memory import inference_unit_values, unit_values
from zoo_common.replicas import MicroBatch
from zoo_common.streaming import Host
from zoo_common.weights import Arrays, Choice, WeightSource, as_source
from zoo_spec.graph import Graph, Units, units
from zoo_spec.trained import Trained, trained
from zoo_spec.training import Training
from zoo_torch.compiling import DTYPES, compiled
from zoo_torch.container import Model
from zoo_torch.formats import write
from zoo_torch.inference import TorchInference, as_array
from zoo_torch.optimizers import Rule
from zoo_torch.recompute import recompute_layers
from zoo_torch.spared_logits import sparing_logits
from zoo_torch.streaming_optimizer import Collected, StreamedOptimizer
from zoo_torch.streaming_units import Streams
from zoo_torch.training import TorchTraining
from zoo_torch.weights import check, fill


class StreamedInference(TorchInference):
    """A compiled ``nn.Module`` whose units' weights are read when they are computed with."""

    memory = OneHeap

    def __init__(
        self,
        graph: Graph,
        weights: WeightSource,
        streaming: Streaming,
        *,
        dtype: str,
        device: str,
        tf32: bool,
    ) -> None:
        parts = units(graph, most=inference_unit_values(graph, dtype, streaming.limit, self.name))
        self.host = Host(parts, weights, folder=streaming.folder, dtype=_kept(dtype))
        super().__init__(graph, weights, dtype=dtype, device=device, tf32=tf32)
        self.streams = Streams(self.model, self.host, (), self.device)

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""
        set_streamed(self, self.host, weights)

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """Write a program in a format of torch's, which holds all weights, and so does memory meanwhile."""
        return export_streamed(self, self.host, directory, features, format)

    def _made(self, weights: WeightSource, dtype: str) -> Model:
        return compiled(self.graph, weights, dtype, self.device, without=streamed_names(self.host.units))

    def _run(self, batch: Batch) -> dict[str, Tensor]:
        return self.model(**self._tensors(batch))


class StreamedTraining(TorchTraining):
    """As ``TorchTraining``, of a model whose units' weights and moments lie in files."""

    memory = OneHeap

    def __init__(
        self,
        graph: Graph,
        training: Training,
        weights: WeightSource,
        *,
        dtype: str,
        device: str,
        working: Path | None,
    ) -> None:
        self.host = Host(
            units(graph, most=unit_values(graph, training, self.name)),
            weights,
            folder=working,
            dtype=_kept(dtype),
            moments=training.optimizer.moments,
            trained=trained(graph, training).factors,
            spills=training.optimizer.max_gradient_norm is not None,
            gives_back=training.memory_limit is not None,
        )
        self.precision = dtype
        self._keeps = training.memory_limit is None
        super().__init__(graph, training, weights, dtype=dtype, device=device)
        self.streams.turns.random = self.random

    def train_step(
        self,
        micro_batches: Sequence[MicroBatch | Batch],
        denominators: Mapping[str, float] | None,
        rate: float,
    ) -> StepResult:
        """One optimizer step over all micro-batches, which share each reading of a unit."""
        self.optimizer.begin(rate)
        found = super().train_step(micro_batches, denominators, rate)
        return replace(found, files=self.host.traffic())

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout."""
        collected = Collected(self.streams)
        resident = self.streams.learn(collected, [lambda: self._resident_gradients(batch)])[0]
        shapes = {name: each.shape for name, each in self.graph.parameters().items()}
        found = {name: as_array(value) for name, value in (collected.gradients | resident).items()}
        zeros = np.zeros((), _kept(self.precision))
        return {
            name: found[name] if name in found else np.broadcast_to(zeros, shapes[name])
            for name in self.optimizer.names
        }

    def _resident_gradients(self, batch: Batch) -> dict[str, Tensor]:
        wanted = [*self.parameters.values(), self.streams.anchor]
        with sparing_logits(self.model, self.graph):
            loss = self._run(batch)["loss"]
        found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        return dict(zip(self.parameters, found, strict=False))

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One optimizer step with these gradients."""
        self.optimizer.begin(rate)
        for unit in self.streams.units:
            if unit.learned:
                with self.optimizer.at_work(unit) as lesson:
                    given = {name: lesson.weights[name].dtype for name in unit.learned}
                    lesson.add({name: self._tensor(gradients[name], dtype) for name, dtype in given.items()})
        super().apply_gradients(gradients, rate)

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""
        set_streamed(self, self.host, weights)

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """Write a program in a format of torch's, which holds all weights, and so does memory meanwhile."""
        return export_streamed(self, self.host, directory, features, format)

    def export_state(self) -> State:
        """Everything that training changes, read when it is asked for."""
        weights, written = weights_of(self, self.host), self.host.written()
        return State(weights, self.optimizer.state(), self.optimizer.step, written)

    def _made(self, weights: WeightSource, dtype: str) -> Model:
        return compiled(self.graph, weights, dtype, self.device, without=streamed_names(self.host.units))

    def _recompute(self, training: Training) -> None:
        if self.graph.has_layers:  # Of other stacks the parts, if those are the units, keep their inputs.
            recompute_layers(self.model, self.graph, apart=[unit.path for unit in self.host.units.streamed])

    def _optimizer(self, rule: Rule, learned: Trained) -> StreamedOptimizer:
        self.streams = Streams(self.model, self.host, learned.factors, self.device, keeps=self._keeps)
        inside = streamed_names(self.host.units)
        self.parameters = {name: each for name, each in self.parameters.items() if name not in inside}
        return StreamedOptimizer(rule, self.streams, self.parameters, list(learned.factors))

    def _each(
        self, micro_batches: Sequence[MicroBatch], denominators: Mapping[str, float] | None
    ) -> list[dict[str, Tensor]]:
        works = [partial(self._accumulate, each, denominators) for each in micro_batches]
        return self.streams.learn(self.optimizer, works)

    def _run(self, batch: Batch) -> dict[str, Tensor]:
        return self.model(**self._tensors(batch))


def streamed_names(streamed: Units) -> frozenset[str]:
    """The canonical names of all weights of the units."""
    return frozenset(name for unit in streamed.streamed for name in unit.parameters)


def set_streamed(model: TorchInference, host: Host, weights: Mapping[str, Array]) -> None:
    """Set all weights of a model, those of its units in their files.

    Raises InputError, changing nothing, unless every name and every shape fits.
    """
    state, source = model.model.state_dict(), as_source(weights)
    check(state, source)
    fill(model.model, {name: value for name, value in state.items() if not value.is_meta}, source)
    host.import_weights(source)


def export_streamed(
    model: TorchInference, host: Host, directory: Path, features: Sequence[str], format: str
) -> Exported:
    """Write a program with the weights of a model, which are all in memory meanwhile."""
    dtype = next(name for name, each in DTYPES.items() if each == model.dtype)
    whole = compiled(model.graph, weights_of(model, host), dtype, model.device)
    return write(whole, model.graph, directory, features, format)


def weights_of(model: TorchInference, host: Host) -> WeightSource:
    """All weights by canonical name: those in memory, and those in files, which are read when they are asked for."""
    resident = {name: value for name, value in model.model.state_dict().items() if not value.is_meta}
    return Choice(Arrays(resident), host.stored_weights())


def _kept(dtype: str) -> str:
    """The dtype of weights for this precision."""
    return "float32" if dtype == "bfloat16" else dtype
