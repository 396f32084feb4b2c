"""TensorFlow at work for the common loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo_tf
from zoo_common.backend import Array, Batch, BlockCall, Dropped, Exported, Masks, State, StepResult, Weights
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tensors import FLOAT32
from zoo_spec.training import Training
from zoo_tf.blocks.base import recording
from zoo_tf.device import choose_device, held_bytes
from zoo_tf.dropouts import watch_dropouts
from zoo_tf.export import export_serving
from zoo_tf.leaves import from_canonical, named_variables, to_canonical
from zoo_tf.optimizers import make_optimizer
from zoo_tf.precision import native_dtype
from zoo_tf.randomness import StepRandomness
from zoo_tf.recompute import recompute_layers
from zoo_tf.weights import get_weights, set_weights

Tensors = dict[str, tf.Tensor]


class TensorFlowBackend:
    """A compiled ``keras.Model``, its optimizer and its step, one ``tf.function`` that is traced once."""

    name = "tf"

    def initialize(
        self, graph: Graph, training: Training, *, seed: int, dtype: str, device: str = "auto"
    ) -> None:
        """Compile the graph with initial values from ``seed``, and make the optimizer."""
        self.device = choose_device(device)
        tf.config.experimental.enable_tensor_float_32_execution(training.tf32)
        # It counts the traces of all models together, and warns of a loop where there are only several models.
        tf.get_logger().setLevel(logging.ERROR)
        self.graph, self.seed = graph, seed
        self.dtype = dtype
        self.traces = 0
        with tf.device(self.device):
            self.model = zoo_tf.compile(graph, seed=seed, dtype=dtype)
            if training.recompute:
                recompute_layers(self.model, graph)
            self.variables = dict(named_variables(self.model))
            table = graph.parameters()
            self.parameters = {name: self.variables[name] for name in table if table[name].trainable}
            self.optimizer = make_optimizer(
                training.optimizer,
                self.parameters,
                {name: parameter.role for name, parameter in table.items()},
                self._to_canonical,
                self._from_canonical,
            )
            self.random = StepRandomness(self.model, seed=seed, portable=training.random == "portable")
        self._functions: dict[
            tuple[str, tuple[tuple[str, int], ...]], tf.types.experimental.PolymorphicFunction
        ] = {}
        self._sums: list[tf.Variable] = []

    def train_step(
        self, micro_batches: Sequence[Batch], denominators: Mapping[str, float] | None, rate: float
    ) -> StepResult:
        """One optimizer step over all micro-batches; InputError where a layer was frozen, which no run obeys."""
        frozen = [name for name, variable in self.parameters.items() if not variable.trainable]
        if frozen:
            raise InputError(
                f"{frozen[0]} is frozen (layer.trainable = False), and a run trains everything; compile the spec by "
                "zoo_tf.compile and use Keras' fit for that"
            )
        with tf.device(self.device):
            divisors = self._scalars(denominators or {})
            wide_rate = tf.constant(rate, tf.float64)
            if len(micro_batches) == 1:
                return self._whole_step(micro_batches[0], divisors, wide_rate)
            try:
                losses = [
                    self._accumulate(number, batch, divisors) for number, batch in enumerate(micro_batches)
                ]
                norm = self._function("apply", self._apply_sums)(wide_rate)
            except BaseException:
                self._clear_sums()  # Those of an interrupted step must not reach the next.
                raise
        totals = {name: tf.add_n([part[name] for part in losses]) for name in losses[0]}
        return StepResult(totals.pop("loss"), totals, norm)

    def _whole_step(self, batch: Batch, divisors: Tensors, rate: tf.Tensor) -> StepResult:
        step = self._function("step", self._step, batch, divisors)
        with self.random.at(self.optimizer.step, 0):
            losses, norm = step(self._tensors(batch), divisors, rate)
        return StepResult(losses.pop("loss"), losses, norm)

    def _accumulate(self, number: int, batch: Batch, divisors: Tensors) -> Tensors:
        if not self._sums:
            self._sums = [
                tf.Variable(tf.zeros(value.shape, value.dtype), trainable=False)
                for value in self.parameters.values()
            ]
        add = self._function("add", self._add_gradients, batch, divisors)
        with self.random.at(self.optimizer.step, number):
            return add(self._tensors(batch), divisors)

    def _step(self, batch: Tensors, divisors: Tensors, rate: tf.Tensor) -> tuple[Tensors, tf.Tensor]:
        losses, gradients = self._differentiate(batch, divisors)
        return losses, self.optimizer.apply(dict(zip(self.parameters, gradients, strict=True)), rate)

    def _add_gradients(self, batch: Tensors, divisors: Tensors) -> Tensors:
        losses, gradients = self._differentiate(batch, divisors)
        for total, gradient in zip(self._sums, gradients, strict=True):
            if gradient is not None:
                total.assign_add(gradient)
        return losses

    def _apply_sums(self, rate: tf.Tensor) -> tf.Tensor:
        sums = [tf.convert_to_tensor(total) for total in self._sums]
        norm = self.optimizer.apply(dict(zip(self.parameters, sums, strict=True)), rate)
        with tf.control_dependencies([norm]):
            self._clear_sums()
        return norm

    def _clear_sums(self) -> None:
        for total in self._sums:
            total.assign(tf.zeros_like(total))

    def _differentiate(self, batch: Tensors, divisors: Tensors) -> tuple[Tensors, list[tf.Tensor | None]]:
        self.traces += 1
        watched = [variable.value for variable in self.parameters.values()]
        with tf.GradientTape() as tape:
            losses = self._losses(self.model(batch, training=True), divisors)
        gradients = tape.gradient(losses["loss"], watched)
        return losses, [None if value is None else tf.convert_to_tensor(value) for value in gradients]

    def _losses(self, outputs: Tensors, divisors: Tensors) -> Tensors:
        parts = self.graph.loss_parts
        if not divisors:
            return {"loss": outputs["loss"], **{part.name: outputs[f"{part.name}_loss"] for part in parts}}
        terms = {part.name: outputs[f"{part.name}_numerator"] / divisors[part.name] for part in parts}
        factors = {part.name: tf.constant(part.factor, terms[part.name].dtype) for part in parts}
        return {"loss": tf.add_n([factors[name] * term for name, term in terms.items()]), **terms}

    def evaluate_step(self, batch: Batch) -> Weights:
        """All outputs for a batch with labels, without dropout."""
        with tf.device(self.device):
            outputs = self._function("forward", self._forward, batch)(self._tensors(batch))
        return {name: _array(value) for name, value in outputs.items()}

    def _forward(self, batch: Tensors) -> Tensors:
        return self.model(batch, training=False)

    def call(self, batch: Batch) -> Weights:
        """All outputs of the model as a user calls it, with nothing said of training."""
        with tf.device(self.device):
            outputs = self.model(self._tensors(batch))
        return {name: _array(value) for name, value in outputs.items()}

    def predict_step(self, batch: Batch) -> Weights:
        """All outputs for a batch of features."""
        return self.evaluate_step({name: batch[name] for name in self.graph.features if name in batch})

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout."""
        watched = [variable.value for variable in self.parameters.values()]
        with tf.device(self.device), tf.GradientTape() as tape:
            loss = self.model(self._tensors(batch), training=False)["loss"]
        found = tape.gradient(loss, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return {
            name: self._to_canonical(name, tf.convert_to_tensor(value).numpy())
            for name, value in zip(self.parameters, found, strict=True)
        }

    def apply_gradients(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One optimizer step with these gradients."""
        with tf.device(self.device):
            given = {
                name: tf.constant(self._from_canonical(name, gradients[name]), variable.dtype)
                for name, variable in self.parameters.items()
            }
            self.optimizer.apply(given, rate)

    def dropouts(self, batch: Batch, masks: Masks, at: tuple[int, int]) -> Sequence[Dropped]:
        """What each dropout does in a training pass."""
        with tf.device(self.device):
            random = StepRandomness(self.model, seed=self.seed, portable=masks == "portable")
            with nullcontext() if masks == "own" else random.at(*at):
                uses = watch_dropouts(self.model, lambda: self.model(self._tensors(batch), training=True))
        return [Dropped(path, _array(before), _array(after)) for path, before, after in uses]

    def block_calls(self, batch: Batch, *, training: bool | None = False) -> Sequence[BlockCall]:
        """Every run of a block, inner ones before those around them; ``training`` may be left unsaid."""
        with tf.device(self.device), self.random.at(self.optimizer.step, 0), recording(self.model) as calls:
            said = {} if training is None else {"training": training}
            self.model(self._tensors(batch), **said)
        return [
            BlockCall(
                call.path,
                tuple(_array(value) for value in call.args if tf.is_tensor(value)),
                {name: _array(value) for name, value in call.kwargs.items() if tf.is_tensor(value)},
                {name: _array(value) for name, value in _named(call.output).items() if tf.is_tensor(value)},
            )
            for call in calls
        ]

    def export_state(self) -> State:
        """A copy of everything that training changes."""
        return State(get_weights(self.model), self.optimizer.state(), self.optimizer.step)

    def import_state(self, state: State) -> None:
        """Take over such a copy, from either framework."""
        set_weights(self.model, state.weights)
        self.optimizer.step = state.step
        self.optimizer.load_state(state.optimizer)

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""
        set_weights(self.model, weights)

    def export(self, directory: Path, features: Sequence[str]) -> Exported:
        """Write a SavedModel that needs TensorFlow alone and takes these features."""
        return export_serving(self.model, directory, features)

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""
        return held_bytes(self.device)

    def versions(self) -> dict[str, str]:
        """Versions of TensorFlow and Keras."""
        return {"tensorflow": tf.__version__, "keras": keras.__version__}

    def _tensors(self, batch: Batch) -> Tensors:
        return {
            name: tf.constant(np.asarray(value), native_dtype(self.graph.inputs[name].dtype, self.dtype))
            for name, value in batch.items()
        }

    def _scalars(self, values: Mapping[str, float]) -> Tensors:
        return {name: tf.constant(value, self._loss_dtype) for name, value in values.items()}

    @property
    def _loss_dtype(self) -> str:
        return native_dtype(FLOAT32, self.dtype)

    def _function(
        self, name: str, function: object, batch: Batch | None = None, divisors: Tensors | None = None
    ) -> tf.types.experimental.PolymorphicFunction:
        """The compiled form of a step, traced once for all sizes of the open dimensions."""
        ranks = {other: np.ndim(value) for other, value in (batch or {}).items()}
        key = (name, tuple(sorted(ranks.items())))
        if key not in self._functions:
            rate = tf.TensorSpec((), tf.float64)
            inputs = {other: self._signature(other, rank) for other, rank in ranks.items()}
            scalars = dict.fromkeys(divisors or (), tf.TensorSpec((), self._loss_dtype))
            signature = {
                "step": [inputs, scalars, rate],
                "add": [inputs, scalars],
                "apply": [rate],
                "forward": [inputs],
            }[name]
            self._functions[key] = tf.function(function, input_signature=signature)
        return self._functions[key]

    def _signature(self, name: str, rank: int) -> tf.TensorSpec:
        spec = self.graph.inputs[name]
        sizes = [size if isinstance(size, int) else None for size in spec.shape]
        # Packed examples' labels have one more dimension than those of rows with one example each.
        sizes[1:1] = [None] * (rank - spec.rank)
        return tf.TensorSpec(sizes, native_dtype(spec.dtype, self.dtype), name=name)

    def _to_canonical(self, name: str, value: Array) -> Array:
        return np.ascontiguousarray(to_canonical(self.variables[name], value))

    def _from_canonical(self, name: str, value: Array) -> Array:
        return from_canonical(self.variables[name], value)


def _array(value: tf.Tensor) -> Array:
    # NumPy has no bfloat16.
    return (tf.cast(value, tf.float32) if value.dtype == tf.bfloat16 else value).numpy()


def _named(output: tf.Tensor | Tensors) -> Tensors:
    return output if isinstance(output, dict) else {"": output}
