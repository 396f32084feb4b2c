"""TensorFlow at work on a model that learns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import keras
import numpy as np
import tensorflow as tf

from zoo_common.backend import Array, Batch, BlockCall, Dropped, Masks, State, StepResult, Weights
from zoo_common.replicas import ALONE, MicroBatch, Replicas, numbered
from zoo_common.weights import WeightSource
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_spec.tensors import FLOAT32
from zoo_spec.trained import trained
from zoo_spec.training import Training
from zoo_tf.blocks.base import Call, recording
from zoo_tf.blocks.norm import standing_in
from zoo_tf.compiled_pass import CompiledPass
from zoo_tf.dropouts import watch_dropouts
from zoo_tf.freezing import freeze
from zoo_tf.inference import TensorFlowInference, Tensors, as_array
from zoo_tf.leaves import from_canonical, named_variables, to_canonical
from zoo_tf.optimizers import make_optimizer
from zoo_tf.precision import native_dtype
from zoo_tf.randomness import StepRandomness
from zoo_tf.recompute import recompute_layers
from zoo_tf.replicas import talking
from zoo_tf.spared_logits import sparing_logits
from zoo_tf.sums import sums_of
from zoo_tf.weights import get_weights

_RATE = tf.TensorSpec((), tf.float64)
_ROWS = tf.TensorSpec((), tf.int64)


class TensorFlowTraining(TensorFlowInference):
    """A compiled ``keras.Model``, its optimizer and its step, one ``tf.function`` that is traced once."""

    def __init__(
        self,
        graph: Graph,
        training: Training,
        weights: WeightSource,
        *,
        dtype: str,
        device: str,
        replicas: Replicas = ALONE,
    ) -> None:
        super().__init__(graph, weights, dtype=dtype, device=device, tf32=training.tf32)
        self.seed = training.seed
        self.replicas = replicas
        self.traces = 0
        with tf.device(self.device):
            if training.recompute:
                recompute_layers(self.model, graph)
            self.variables = dict(named_variables(self.model))
            learned = trained(graph, training)
            freeze(self.model, learned)
            self.parameters = {name: self.variables[name] for name in learned.factors}
            self.optimizer = make_optimizer(
                training.optimizer,
                self.parameters,
                {name: each.role for name, each in graph.parameters().items() if each.trainable},
                self._to_canonical,
                self._from_canonical,
                learned.factors,
            )
            self._rowless = graph.rowless_dropouts()
            self.random = self._randomness(portable=training.random == "portable")
        self.sums = sums_of(self.model, list(self.parameters.values()), replicas)
        self.passes = CompiledPass(training)
        self._totals: list[tf.Variable] = []

    def _randomness(self, *, portable: bool) -> StepRandomness:
        return StepRandomness(self.model, seed=self.seed, portable=portable, rowless=self._rowless)

    @property
    def compiling(self) -> str:
        """What ``training.compile: auto`` has chosen, in words; nothing where that is open, or is another setting."""
        return self.passes.said

    def train_step(
        self,
        micro_batches: Sequence[MicroBatch | Batch],
        denominators: Mapping[str, float] | None,
        rate: float,
    ) -> StepResult:
        """One optimizer step over all micro-batches; InputError where a layer was frozen, which no run obeys."""
        refuse_frozen(self.parameters)
        given = numbered(micro_batches)
        with tf.device(self.device), talking(), self.passes.over(given):
            divisors = self._scalars(denominators or {})
            wide_rate = tf.constant(rate, tf.float64)
            if len(given) == 1 and given[0].count:
                losses, norm = self._whole_step(given[0], divisors, wide_rate)
            else:
                losses, norm = self._summed_step(given, divisors, wide_rate)
        return StepResult(losses.pop("loss"), losses, norm)

    def _whole_step(
        self, micro_batch: MicroBatch, divisors: Tensors, rate: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        step = self._function("step", self._step, micro_batch.batch, self._scalar_specs(divisors), _RATE)
        with self.random.at(self.optimizer.step, micro_batch.number, micro_batch.first):
            return step(self._tensors(micro_batch.batch), divisors, rate)

    def _summed_step(
        self, micro_batches: Sequence[MicroBatch], divisors: Tensors, rate: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """Over several micro-batches, or none: gradients add up in variables."""
        if not self._totals:
            self._totals = [
                tf.Variable(tf.zeros(value.shape, value.dtype), trainable=False)
                for value in self.parameters.values()
            ]
        try:
            losses = [self._accumulate(each, divisors) for each in micro_batches]
            nothing = tf.zeros((), self._loss_dtype)
            names = ["loss", *(part.name for part in self.graph.loss_parts)]
            totals = {name: tf.add_n([part[name] for part in losses] or [nothing]) for name in names}
            rows = tf.constant(sum(each.count for each in micro_batches), tf.int64)
            apply = self._function(
                "apply", self._apply_totals, None, self._scalar_specs(totals), _ROWS, _RATE
            )
            return apply(totals, rows, rate)
        except BaseException:
            self._clear_totals()  # Those of an interrupted step must not reach the next.
            raise

    def _accumulate(self, micro_batch: MicroBatch, divisors: Tensors) -> Tensors:
        if not micro_batch.count:
            return self._stand_in(micro_batch, divisors)
        add = self._function("add", self._add_gradients, micro_batch.batch, self._scalar_specs(divisors))
        with self.random.at(self.optimizer.step, micro_batch.number, micro_batch.first):
            return add(self._tensors(micro_batch.batch), divisors)

    def _stand_in(self, micro_batch: MicroBatch, divisors: Tensors) -> Tensors:
        """Where replicas meet within a micro-batch of which this one has no rows: a row of zeros, without weight."""
        row = {
            name: np.zeros((1, *value.shape[1:]), value.dtype) for name, value in micro_batch.batch.items()
        }
        add = self._function("stand in", self._add_gradients, row, self._scalar_specs(divisors))
        with standing_in(self.model), self.random.at(self.optimizer.step, micro_batch.number):
            return add(self._tensors(row), self._scalars(dict.fromkeys(divisors, math.inf)))

    def _step(self, batch: Tensors, divisors: Tensors, rate: tf.Tensor) -> tuple[Tensors, tf.Tensor]:
        losses, gradients = self._differentiate(batch, divisors)
        rows = tf.shape(next(iter(batch.values())))[0]
        return self._update(gradients, losses, rows, rate)

    def _update(
        self, gradients: list[tf.Tensor | None], losses: Tensors, rows: tf.Tensor, rate: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        sums, losses = self.sums.finish(gradients, losses, rows)
        return losses, self.optimizer.apply(dict(zip(self.parameters, sums, strict=True)), rate)

    def _add_gradients(self, batch: Tensors, divisors: Tensors) -> Tensors:
        losses, gradients = self._differentiate(batch, divisors)
        for total, gradient in zip(self._totals, gradients, strict=True):
            if gradient is not None:
                total.assign_add(gradient)
        return losses

    def _apply_totals(self, losses: Tensors, rows: tf.Tensor, rate: tf.Tensor) -> tuple[Tensors, tf.Tensor]:
        totals = [tf.convert_to_tensor(total) for total in self._totals]
        losses, norm = self._update(totals, losses, rows, rate)
        with tf.control_dependencies([norm]):
            self._clear_totals()
        return losses, norm

    def _clear_totals(self) -> None:
        for total in self._totals:
            total.assign(tf.zeros_like(total))

    def _differentiate(self, batch: Tensors, divisors: Tensors) -> tuple[Tensors, list[tf.Tensor | None]]:
        return self.passes.of(self._pass)(batch, divisors)

    def _pass(self, batch: Tensors, divisors: Tensors) -> tuple[Tensors, list[tf.Tensor | None]]:
        self.traces += 1
        watched = [variable.value for variable in self.parameters.values()]
        with (
            tf.GradientTape(watch_accessed_variables=False) as tape,
            sparing_logits(self.model, self.graph),
        ):
            tape.watch(watched)
            losses = losses_of(self.graph, self.model(batch, training=True), divisors)
        gradients = tape.gradient(losses["loss"], watched)
        return losses, [None if value is None else tf.convert_to_tensor(value) for value in gradients]

    def gradients(self, batch: Batch) -> Weights:
        """Gradient of the loss by canonical name, without dropout."""
        watched = [variable.value for variable in self.parameters.values()]
        with (
            tf.device(self.device),
            tf.GradientTape(watch_accessed_variables=False) as tape,
            sparing_logits(self.model, self.graph),
        ):
            tape.watch(watched)
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
            random = self._randomness(portable=masks == "portable")
            with nullcontext() if masks == "own" else random.at(*at):
                uses = watch_dropouts(self.model, lambda: self.model(self._tensors(batch), training=True))
        return [Dropped(path, as_array(before), as_array(after)) for path, before, after in uses]

    def block_calls(self, batch: Batch, *, training: bool | None = False) -> Sequence[BlockCall]:
        """Every run of a block, inner ones before those around them; ``training`` may be left unsaid."""
        with tf.device(self.device), self.random.at(self.optimizer.step, 0), recording(self.model) as calls:
            said = {} if training is None else {"training": training}
            self.model(self._tensors(batch), **said)
        return block_calls(calls)

    def export_state(self) -> State:
        """A copy of everything that training changes."""
        return State(get_weights(self.model), self.optimizer.state(), self.optimizer.step)

    def import_optimizer(self, optimizer: Mapping[str, Array], step: int) -> None:
        """Take over the optimizer of such a copy, from either framework."""
        self.optimizer.load_state(optimizer)
        self.optimizer.step = step

    def _scalars(self, values: Mapping[str, float]) -> Tensors:
        return {name: tf.constant(value, self._loss_dtype) for name, value in values.items()}

    def _scalar_specs(self, divisors: Tensors) -> dict[str, tf.TensorSpec]:
        return dict.fromkeys(divisors, tf.TensorSpec((), self._loss_dtype))

    @property
    def _loss_dtype(self) -> str:
        return native_dtype(FLOAT32, self.dtype)

    def _to_canonical(self, name: str, value: Array) -> Array:
        return np.ascontiguousarray(to_canonical(self.variables[name], value))

    def _from_canonical(self, name: str, value: Array) -> Array:
        return from_canonical(self.variables[name], value)


def refuse_frozen(parameters: Mapping[str, keras.Variable]) -> None:
    """Raise InputError where a layer was frozen, which no run obeys."""
    frozen = [name for name, variable in parameters.items() if not variable.trainable]
    if frozen:
        raise InputError(
            f"{frozen[0]} is frozen (layer.trainable = False), and a run trains everything that training.freeze "
            "does not name; name it there, or compile the spec by zoo_tf.compile and use Keras' fit for that"
        )


def losses_of(graph: Graph, outputs: Tensors, divisors: Tensors) -> Tensors:
    """The loss, and each part's by name, of a pass over these divisors; the model's own where there are none."""
    parts = graph.loss_parts
    if not divisors:
        return {"loss": outputs["loss"], **{part.name: outputs[f"{part.name}_loss"] for part in parts}}
    terms = {part.name: outputs[f"{part.name}_numerator"] / divisors[part.name] for part in parts}
    factors = {part.name: tf.constant(part.factor, terms[part.name].dtype) for part in parts}
    return {"loss": tf.add_n([factors[name] * term for name, term in terms.items()]), **terms}


def block_calls(calls: Sequence[Call]) -> list[BlockCall]:
    """What was recorded, as arrays."""
    return [
        BlockCall(
            call.path,
            tuple(as_array(value) for value in call.args if tf.is_tensor(value)),
            {name: as_array(value) for name, value in call.kwargs.items() if tf.is_tensor(value)},
            {name: as_array(value) for name, value in _named(call.output).items() if tf.is_tensor(value)},
        )
        for call in calls
    ]


def _named(output: tf.Tensor | Tensors) -> Tensors:
    return output if isinstance(output, dict) else {"": output}
