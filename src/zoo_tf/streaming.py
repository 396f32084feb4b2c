"""TensorFlow at work on a model whose layers' weights are in files: a unit at a time is in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo_common.allocation import give_back_what_is_free
from zoo_common.backend import (
    Array,
    Batch,
    BlockCall,
    Dropped,
    Exported,
    Masks,
    State,
    StepResult,
    Streaming,
    Weights,
)
from zoo_common.memory import inference_unit_values, unit_values
from zoo_common.replicas import MicroBatch, numbered
from zoo_common.streaming import Host
from zoo_common.weights import Choice, WeightSource, as_source
from zoo_spec.graph import Graph, Units, stack_layers, units
from zoo_spec.tensors import FLOAT32
from zoo_spec.trained import Trained, trained
from zoo_spec.training import Training
from zoo_spec.training.optimizers import check_state
from zoo_tf.blocks.base import recording
from zoo_tf.compiling import compiled
from zoo_tf.container import GraphModel
from zoo_tf.dropouts import Use, watch_dropouts
from zoo_tf.formats import write
from zoo_tf.freezing import freeze
from zoo_tf.inference import TensorFlowInference, Tensors, as_array
from zoo_tf.leaves import named_variables, to_canonical
from zoo_tf.precision import native_dtype
from zoo_tf.randomness import Keys, StepRandomness
from zoo_tf.spared_logits import sparing_logits
from zoo_tf.streaming_layers import StreamedLayers
from zoo_tf.streaming_optimizer import StreamedOptimizer, global_norm
from zoo_tf.streaming_program import Program
from zoo_tf.streaming_resident import ResidentWeights
from zoo_tf.streaming_step import GradientPass, Pass, StepPass, update_unit
from zoo_tf.streaming_units import native
from zoo_tf.training import block_calls, losses_of, refuse_frozen
from zoo_tf.weights import fitting

_KEYS = tf.TensorSpec((None, 2), tf.int64)


class StreamedInference(TensorFlowInference):
    """A ``keras.Model`` of whose layers one at a time has weights; its passes are ``Program``s, traced once each."""

    def __init__(
        self,
        graph: Graph,
        weights: WeightSource,
        *,
        dtype: str,
        device: str,
        tf32: bool,
        streaming: Streaming,
    ) -> None:
        self.units = self._units(graph, dtype, streaming)
        self.host = self._open_host(weights, dtype, streaming)
        super().__init__(graph, weights, dtype=dtype, device=device, tf32=tf32)
        variables = dict(named_variables(self.model))
        self.resident = ResidentWeights({name: variables[name] for name in self.units.resident})
        self._programs: dict[object, Program] = {}
        self.layers = self._stream()

    def _units(self, graph: Graph, dtype: str, streaming: Streaming) -> Units:
        return units(graph, most=inference_unit_values(graph, dtype, streaming.limit, self.name))

    def _open_host(self, weights: WeightSource, dtype: str, streaming: Streaming) -> Host:
        return Host(self.units, weights, folder=streaming.folder, dtype=_stored(dtype))

    def _stream(self) -> StreamedLayers:
        with tf.device(self.device):
            nothing = Trained((), {})
            return StreamedLayers(
                self.model,
                list(stack_layers(self.graph)),
                self.units,
                self.host,
                nothing,
                dtype=self.dtype,
                portable=False,
            )

    def _compiled(self, weights: WeightSource) -> GraphModel:
        inside = {name for unit in self.units.streamed for name in unit.parameters}
        return compiled(self.graph, weights, self.dtype, without=inside)

    @property
    def traces(self) -> int:
        """How often a unit's layer was traced, all units of a kind together."""
        return self.layers.traces

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout."""
        with tf.device(self.device):
            program = self._program("forward", self._forward, batch)
            going = Pass(self.layers, program, [None])
            (outputs,) = program.run([[self._tensors(batch)]], going.perform)
        return {name: as_array(value) for name, value in outputs.items()}

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""
        return self.evaluate_step({name: batch[name] for name in self.graph.features if name in batch})

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""
        source = as_source(weights)
        fitting(self.model, source)
        self.host.import_weights(source)
        for name in self.resident:
            self.resident.assign(name, source.read(name))

    def export(self, directory: Path, features: Sequence[str], format: str) -> Exported:
        """Write a program in a format of TensorFlow's that takes these features; it is made of all weights."""
        with tf.device(self.device):
            whole = compiled(self.graph, self.weights(), self.dtype)
        return write(whole, self.graph, directory, features, format)

    def weights(self) -> WeightSource:
        """All weights, each read where it is when it is asked for."""
        return Choice(self.resident, self.host.stored_weights())

    def _program(
        self, name: str, run: object, batch: Batch, *others: object, learns: bool = False
    ) -> Program:
        """As ``_function``, of a pass in which units are called."""
        key = (name, tuple(sorted((other, np.ndim(value)) for other, value in batch.items())))
        if key not in self._programs:
            inputs = {other: self._signature(other, np.ndim(value)) for other, value in batch.items()}
            self._programs[key] = self.layers.trace(run, [inputs, *others])
        return self._programs[key]


class StreamedTraining(StreamedInference):
    """Such a model that learns: gradients go to the update as soon as a unit has them all."""

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
        self.seed = training.seed
        self._training = training
        self._portable = training.random == "portable"
        self._learned = trained(graph, training)
        roles = {name: each.role for name, each in graph.parameters().items() if each.trainable}
        self.optimizer = StreamedOptimizer(training.optimizer, self._learned.factors, roles)
        streaming = Streaming(working, training.memory_limit)
        super().__init__(graph, weights, dtype=dtype, device=device, tf32=training.tf32, streaming=streaming)
        self.variables = dict(named_variables(self.model))
        self._resident = {
            name: self.variables[name] for name in self._learned.factors if name in self.units.resident
        }
        self.resident.prepare(self._resident)

    def _units(self, graph: Graph, dtype: str, streaming: Streaming) -> Units:
        return units(graph, most=unit_values(graph, self._training, self.name))

    def _open_host(self, weights: WeightSource, dtype: str, streaming: Streaming) -> Host:
        return Host(
            self.units,
            weights,
            folder=streaming.folder,
            dtype=_stored(dtype),
            moments=self.optimizer.moments,
            trained=self._learned.factors,
            spills=self.optimizer.clips,
            gives_back=streaming.limit is not None,
        )

    def _stream(self) -> StreamedLayers:
        with tf.device(self.device):
            freeze(self.model, self._learned)
            layers = StreamedLayers(
                self.model,
                list(stack_layers(self.graph)),
                self.units,
                self.host,
                self._learned,
                dtype=self.dtype,
                portable=self._portable,
            )
            self.random = StepRandomness(self.model, seed=self.seed, portable=self._portable)
            layers.random = self.random
            return layers

    def train_step(
        self,
        micro_batches: Sequence[MicroBatch | Batch],
        denominators: Mapping[str, float] | None,
        rate: float,
    ) -> StepResult:
        """One optimizer step over all micro-batches, which share one reading of each unit; errors as resident's."""
        refuse_frozen({name: self.variables[name] for name in self._learned.factors})
        given = numbered(micro_batches)
        with tf.device(self.device):
            divisors = {
                name: tf.constant(value, self._loss_dtype) for name, value in (denominators or {}).items()
            }
            program = self._learning("train", given[0].batch, divisors)
            keys = [tf.constant(self.random.keys_at(self.optimizer.step, each.number)) for each in given]
            self.optimizer.begin(rate)
            step = StepPass(self.layers, program, keys, self.optimizer)
            arguments = [
                [self._tensors(each.batch), divisors, key] for each, key in zip(given, keys, strict=True)
            ]
            found = program.run(arguments, step.perform)
            norm = self._update_rest(step, [gradients for _, gradients in found])
        losses = [each for each, _ in found]
        totals = {name: tf.add_n([part[name] for part in losses]) for name in losses[0]}
        return StepResult(totals.pop("loss"), totals, norm, self.host.traffic())

    def _update_rest(self, step: StepPass, found: list[Tensors]) -> tf.Tensor:
        """Update what no unit's call has updated; returns the norm.

        Where memory is limited, what the way back leaves free goes to the system, for now there are moments in
        memory; and so does what the updates leave free in gaps that the next step's activations do not fit into.
        """
        self._give_back()
        gradients = {}
        for name, variable in self._resident.items():
            each = [part.pop(name) for part in found if name in part]
            total = tf.zeros_like(variable) if not each else sum(each[1:], start=each[0])
            step.halves[name] = tf.nn.l2_loss(total)
            gradients[name] = total
        norm = step.finish(list(self._learned.factors))
        for name in self._resident:
            self.resident.update(name, gradients.pop(name), self.optimizer, self.host)
        self.optimizer.end()
        self._give_back()
        return norm

    def _give_back(self) -> None:
        if self._training.memory_limit is not None:
            give_back_what_is_free()

    def _learning(self, name: str, batch: Batch, divisors: Tensors) -> Program:
        """The pass that gives losses and the gradients of resident weights, by name."""
        training = name == "train"
        watched = {name: variable.value for name, variable in self._resident.items()}

        def run(batch: Tensors, divisors: Tensors, keys: tf.Tensor) -> tuple[Tensors, Tensors]:
            with (
                tf.GradientTape(watch_accessed_variables=False) as tape,
                self.random.drawing(Keys(keys, self._portable)),
                sparing_logits(self.model, self.graph),
            ):
                tape.watch(list(watched.values()))
                tape.watch(self.layers.anchor())
                losses = losses_of(self.graph, self.model(batch, training=training), divisors)
            found = tape.gradient(losses["loss"], watched)
            dense = {name: tf.convert_to_tensor(each) for name, each in found.items() if each is not None}
            return losses, dense

        scalars = dict.fromkeys(divisors, tf.TensorSpec((), self._loss_dtype))
        return self._program(name, run, batch, scalars, _KEYS)

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout."""
        with tf.device(self.device):
            program = self._learning("gradients", batch, {})
            keys = tf.constant(self.random.keys_at(0, 0))
            going = GradientPass(self.layers, program, [keys])
            ((_, rest),) = program.run([[self._tensors(batch), {}, keys]], going.perform)
        found = {name: self._to_canonical(name, each.numpy()) for name, each in rest.items()} | going.found
        return {
            name: found[name] if name in found else np.zeros(parameter.shape, _stored(self.dtype))
            for name, parameter in self.graph.parameters().items()
            if name in self._learned.factors
        }

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One optimizer step with these gradients."""
        with tf.device(self.device):
            self.optimizer.begin(rate)
            given = {
                name: tf.constant(gradients[name], _stored(self.dtype)) for name in self._learned.factors
            }
            halves = []
            for name, each in given.items():
                halves.append(tf.nn.l2_loss(native(self.variables[name], each)))
            self.optimizer.clip(global_norm(halves))
            for unit in self.units.streamed:
                names = [name for name in unit.parameters if name in given]
                if names:
                    with self.host.state(unit) as slot:
                        update_unit(self.optimizer, slot, ((name, given[name]) for name in names))
            for name, variable in self._resident.items():
                self.resident.update(name, native(variable, given[name]), self.optimizer, self.host)
            self.optimizer.end()

    def dropouts(self, batch: Batch, masks: Masks, at: tuple[int, int]) -> Sequence[Dropped]:
        """What each dropout does in a training pass."""
        uses: list[Use] = []
        with tf.device(self.device):
            random = StepRandomness(self.model, seed=self.seed, portable=masks == "portable")
            drawing = nullcontext() if masks == "own" else random.at(*at)
            with drawing, self.layers.watched(uses, random):
                watch_dropouts(self.model, lambda: self.model(self._tensors(batch), training=True), uses)
        return [Dropped(path, as_array(before), as_array(after)) for path, before, after in uses]

    def block_calls(self, batch: Batch, *, training: bool | None = False) -> Sequence[BlockCall]:
        """Every run of a block, inner ones before those around them; ``training`` may be left unsaid."""
        with tf.device(self.device), self.random.at(self.optimizer.step, 0), recording(self.model) as calls:
            said = {} if training is None else {"training": training}
            self.model(self._tensors(batch), **said)
        return block_calls(calls)

    def export_state(self) -> State:
        """Everything that training changes, where it is."""
        moments, written = self.host.stored_moments(), self.host.written()
        return State(self.weights(), moments, self.optimizer.step, written)

    def import_optimizer(self, optimizer: Mapping[str, Array], step: int) -> None:
        """Take over the optimizer of such a copy, from either framework."""
        source = as_source(optimizer)
        shapes = {name: entry.shape for name, entry in self.host.stored_moments().entries.items()}
        check_state(shapes, {name: entry.shape for name, entry in source.entries.items()})
        self.host.import_moments(source)
        self.optimizer.step = step

    def _to_canonical(self, name: str, value: Array) -> Array:
        return np.ascontiguousarray(to_canonical(self.variables[name], value))

    @property
    def _loss_dtype(self) -> str:
        return native_dtype(FLOAT32, self.dtype)


def _stored(dtype: str) -> str:
    """The dtype of weights in a model that computes in this one."""
    return native_dtype(FLOAT32, dtype)
