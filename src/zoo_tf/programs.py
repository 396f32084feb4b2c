"""The compiled step of a ``model_fn`` in a mode: traced once, with the variables that the call made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo_common.backend import Array, Weights
from zoo_common.training.learner import ModeKeys
from zoo_common.training.own_outputs import tensors_in
from zoo_common.weights import as_source
from zoo_spec.errors import InputError
from zoo_spec.weights import check_names, check_shape
from zoo_tf.model_fn import PREDICTED, Call, ModelFn, call, fresh_names

_SEED = "seed_generator_state"
"""The last part of the path of what Keras counts its random numbers with."""
_OF_THE_CODE = ("learning_rate", "iteration")
"""Optimizer variables that are not kept: the first is the code's to say, the second is the step."""


class Program:
    """One mode of a ``model_fn`` for batches of one structure. Weights go by the paths of their variables."""

    def __init__(
        self, model_fn: ModelFn, mode: ModeKeys, structure: Any, given: Mapping[str, Any], seed: int
    ) -> None:
        self.mode = mode
        self.structure = structure
        self._calls: list[Call] = []

        def train(features: Any, labels: Any) -> dict[str, tf.Tensor]:
            with tf.GradientTape() as tape:
                made = call(model_fn, features, labels, mode, given)
                scaled = _scaled(made)
            self._calls.append(made)
            return _update(made, tape, scaled)

        def run(features: Any, labels: Any) -> dict[str, tf.Tensor]:
            made = call(model_fn, features, labels, mode, given)
            self._calls.append(made)
            return _predictions(made) if mode is ModeKeys.PREDICT else self._measure(made, features)

        self._metrics: dict[str, keras.metrics.Metric] = {}
        function = tf.function(train if mode is ModeKeys.TRAIN else run, autograph=False)
        with fresh_names(seed):
            self._compiled = function.get_concrete_function(*structure)
        (self.call,) = self._calls
        if mode is ModeKeys.TRAIN:
            self._check_kept()

    def run(self, features: Any, labels: Any) -> dict[str, tf.Tensor]:
        """TRAIN: loss, rate and gradients' norm after an update. EVAL: nothing. PREDICT: the predictions."""
        return self._compiled(features, labels)

    def reset_metrics(self) -> None:
        """Begin another evaluation."""
        for metric in self._metrics.values():
            metric.reset_state()

    def measured(self) -> dict[str, float]:
        """The metrics over the batches since then."""
        return {name: float(metric.result()) for name, metric in self._metrics.items()}

    def weights(self) -> Weights:
        """Copies of all variables, the states of random generators included."""
        return {path: _array(variable) for path, variable in self.call.variables.items()}

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all variables; InputError, changing nothing, unless every name and every shape fits.

        For EVAL and PREDICT there may be more, such as those of a head that only trains.
        """
        variables, source = self.call.variables, as_source(weights)
        named = {path for path in variables if path in weights or not path.endswith(_SEED)}
        if self.mode is ModeKeys.TRAIN:
            check_names(named, {path for path in weights if path in variables or not path.endswith(_SEED)})
        missing = [path for path in named if path not in weights]
        if missing:
            raise InputError(
                f"in mode {self.mode.value!r} the model_fn makes variables that training did not: "
                f"{', '.join(sorted(missing))}; trained were {', '.join(sorted(weights))}. Make the same layers "
                "in the same order in every mode, or give them names"
            )
        for path in named:
            check_shape(path, tuple(variables[path].shape), source.entries[path].shape)
        for path in named:
            variables[path].assign(source.read(path))

    def optimizer_state(self) -> Weights:
        """Copies of the optimizer's variables, by ``<path>/<key>``, or ``/<name>`` where they are of no path."""
        return {key: _array(variable) for key, variable in self._optimizer_variables().items()}

    def load_optimizer_state(self, state: Mapping[str, Array], step: int) -> None:
        """Take what ``optimizer_state`` gave, and the number of updates; InputError unless it is all there."""
        found = self._optimizer_variables()
        missing, unknown = sorted(found.keys() - state.keys()), sorted(state.keys() - found.keys())
        if missing or unknown:
            raise InputError(
                "the checkpoint is of another optimizer; "
                f"missing: {', '.join(missing[:5]) or 'nothing'}; unknown: {', '.join(unknown[:5]) or 'nothing'}"
            )
        for key, variable in found.items():
            variable.assign(state[key])
        self._optimizer.iterations.assign(step)

    def _check_kept(self) -> None:
        """Raise InputError, before the first step, for variables that a checkpoint cannot hold."""
        kept = {**self.call.variables, **self._optimizer_variables()}
        strange = [f"{path} ({value.dtype})" for path, value in kept.items() if not _is_kept(value.dtype)]
        if strange:
            raise InputError(
                f"the model_fn has variables of a kind that a checkpoint cannot hold: {', '.join(strange[:5])}; keep "
                "real and imaginary part as two real variables"
            )

    @property
    def _optimizer(self) -> keras.optimizers.Optimizer:
        assert self.call.spec.optimizer is not None
        return self.call.spec.optimizer

    def _optimizer_variables(self) -> dict[str, keras.Variable]:
        # Longest first: a path may begin with another, and Keras writes both into the name of what it keeps.
        paths = sorted(self.call.trainable, key=len, reverse=True)
        found = {}
        for variable in self._optimizer.variables:
            if variable.name in _OF_THE_CODE:
                continue
            owners = (path for path in paths if variable.name.startswith(f"{path.replace('/', '_')}_"))
            path = next(owners, "")
            key = f"{path}/{variable.name[len(path) + 1 if path else 0 :]}"
            if key in found:
                raise InputError(
                    f"Keras calls two variables of the optimizer {variable.name}, so that a checkpoint could not "
                    f"tell them apart; give one of the layers with the path {path or variable.name} another name"
                )
            found[key] = variable
        return found

    def _measure(self, made: Call, features: Any) -> dict[str, tf.Tensor]:
        """Update every metric; the loss and plain values count by examples."""
        given = {} if made.spec.loss is None else {"loss": made.spec.loss}
        for name, value in {**given, **made.spec.eval_metric_ops}.items():
            if not isinstance(value, keras.metrics.Metric):
                values, weights = value if isinstance(value, tuple) else (value, None)
                value = keras.metrics.Mean(name=name)
                is_scalar = weights is None and tf.convert_to_tensor(values).shape.rank == 0
                value.update_state(values, _examples(features) if is_scalar else weights)
            self._metrics[name] = value
        return {}


def _scaled(made: Call) -> tf.Tensor:
    """The loss as the optimizer wants it: one that scales gradients back expects a loss that was scaled."""
    optimizer = made.spec.optimizer
    assert optimizer is not None
    if made.trainable:
        optimizer.build(
            list(made.trainable.values())
        )  # Before that its scale is not yet the one that changes.
    return optimizer.scale_loss(tf.convert_to_tensor(made.spec.loss))


def _update(made: Call, tape: tf.GradientTape, scaled: tf.Tensor) -> dict[str, tf.Tensor]:
    """Gradients of the scaled loss, and one step of the optimizer."""
    optimizer, variables = made.spec.optimizer, list(made.trainable.values())
    assert optimizer is not None
    known = {id(variable.value) for variable in made.variables.values()}
    strange = [value.name for value in tape.watched_variables() if id(value) not in known]
    if strange:
        raise InputError(
            f"the model_fn uses variables that belong to no layer: {', '.join(strange)}; make them by a "
            "layer's add_weight, so that they are found in every mode"
        )
    gradients = tape.gradient(scaled, [variable.value for variable in variables])
    reached = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
    if not reached:
        raise InputError("the loss reaches no trainable variable of any layer that the model_fn runs")
    # A tensor of its own: the variable itself would be read after the step.
    rate = tf.identity(tf.convert_to_tensor(optimizer.learning_rate))
    scale = optimizer.scale_loss(tf.ones_like(scaled))
    norm = tf.linalg.global_norm([gradient for gradient, _ in reached])
    norm = norm / tf.cast(scale, norm.dtype)
    optimizer.apply([gradient for gradient, _ in reached], [variable for _, variable in reached])
    return {"loss": tf.convert_to_tensor(made.spec.loss), "rate": rate, "norm": norm}


def _predictions(made: Call) -> dict[str, tf.Tensor]:
    found = tensors_in(made.spec.predictions, PREDICTED)
    return {name: tf.convert_to_tensor(value) for name, value in found.items()}


def _examples(features: Any) -> tf.Tensor:
    return tf.shape(first_of(features))[0]


def first_of(features: Any) -> tf.Tensor:
    """The first tensor in features that has a dimension for the examples; InputError if none has."""
    for value in tf.nest.flatten(features):
        if value is not None and value.shape.rank != 0:
            return value
    raise InputError("a batch's features hold no tensor with a dimension for the examples")


def _is_kept(dtype: str) -> bool:
    return str(tf.as_dtype(dtype).name).startswith(("float", "bfloat16", "int", "uint", "bool"))


def _array(variable: keras.Variable) -> Array:
    value = tf.convert_to_tensor(variable)
    # Neither NumPy nor a checkpoint has bfloat16; float32 holds each of its values.
    return np.array((tf.cast(value, tf.float32) if value.dtype == tf.bfloat16 else value).numpy())
