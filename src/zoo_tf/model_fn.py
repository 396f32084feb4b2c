"""A user's ``model_fn(features, labels, mode, params) -> EstimatorSpec``: what it gives, and one call of it."""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import keras
import tensorflow as tf

# Keras has no public way to set its name counters back and to give the user's own back afterwards.
from keras.src.backend.common import global_state

from zoo_common.training.learner import ModeKeys
from zoo_common.training.own_outputs import tensors_in
from zoo_spec.errors import InputError

ModelFn: TypeAlias = Callable[..., "EstimatorSpec"]
Metric: TypeAlias = keras.metrics.Metric | tf.Tensor | tuple[tf.Tensor, tf.Tensor]


PREDICTED = (tf.Tensor, tf.Variable, keras.Variable)
"""What a prediction may be; all else in its structure is left out."""


@dataclass(frozen=True)
class EstimatorSpec:
    """What a ``model_fn`` gives for a mode.

    ``loss`` is a scalar, for TRAIN and, where there is one, EVAL. ``optimizer`` is a Keras optimizer, for
    TRAIN; the estimator takes the gradients. ``eval_metric_ops`` are, by name, Keras metrics that the function
    updated, or values an example, alone or with their weights. ``predictions`` are a tensor, or tensors in any
    structure: dictionaries, tuples, objects.
    """

    mode: str
    loss: tf.Tensor | None = None
    optimizer: keras.optimizers.Optimizer | None = None
    eval_metric_ops: Mapping[str, Metric] = field(default_factory=dict)
    predictions: Any = None
    train_op: None = None
    """There is none any more: InputError says what stands in its place."""

    def __post_init__(self) -> None:
        if self.train_op is not None:
            raise InputError(
                "EstimatorSpec has no train_op on Keras 3: give the optimizer itself, "
                "optimizer=keras.optimizers.Adam(…), and leave minimize() out"
            )


@dataclass(frozen=True)
class Call:
    """A finished call: what it gave, and the variables of all layers that it ran, by path.

    ``trainable`` are those that gradients go to; ``layers`` all layers, those inside others too.
    """

    spec: EstimatorSpec
    variables: dict[str, keras.Variable]
    trainable: dict[str, keras.Variable]
    layers: list[keras.layers.Layer]


def call(model_fn: ModelFn, features: Any, labels: Any, mode: ModeKeys, given: Mapping[str, Any]) -> Call:
    """Call it, in a ``tf.function`` that is being traced; ``given`` are the arguments that it may take by name.

    Raises InputError for a result that will not do for the mode, and where two layers have the same path.
    """
    title = getattr(model_fn, "__name__", "model_fn")
    taken = inspect.signature(model_fn).parameters
    offered = {"labels": labels, "mode": mode, **given}
    with _layers() as layers:
        try:
            spec = model_fn(features, **{name: value for name, value in offered.items() if name in taken})
        except (TypeError, ValueError, AttributeError) as error:
            if labels is None and "labels" in taken and mode is not ModeKeys.PREDICT:
                raise InputError(
                    f"the input gives features without labels, and {title} fails on labels=None: {error}; "
                    "give (features, labels)"
                ) from error
            raise
    _check(spec, mode, title)
    variables: dict[str, keras.Variable] = {}
    trainable: dict[str, keras.Variable] = {}
    frozen = {id(value) for layer in layers for value in layer.non_trainable_variables}
    for layer in layers:
        for value in layer.variables:
            if variables.setdefault(value.path, value) is not value:
                raise InputError(
                    f"{title} makes two variables of the path {value.path}; give one of their layers a name"
                )
            if id(value) not in frozen:
                trainable[value.path] = value
    return Call(spec, variables, trainable, layers)


@contextlib.contextmanager
def fresh_names(seed: int) -> Iterator[None]:
    """Keras' automatic names and seeds from the start, so that the same code makes the same variables.

    Variables are made outside of the graph that is being traced, once. Afterwards names and seeds go on where
    the user's own were.
    """
    # The class that eager code gets: asked for by tf.Variable, it would come to the creator again.
    eager = type(tf.Variable(0.0, trainable=False))
    names = global_state.get_global_attribute("object_name_uids")
    state = random.getstate()
    global_state.set_global_attribute("object_name_uids", None)
    random.seed(seed)  # Keras draws the seeds of what has none from this generator.
    try:
        with tf.variable_creator_scope(partial(_outside, eager)):
            yield
    finally:
        random.setstate(state)
        global_state.set_global_attribute("object_name_uids", names)


def _outside(
    eager: type[tf.Variable], next_creator: Callable[..., tf.Variable], **arguments: Any
) -> tf.Variable:
    """A variable outside of the graph; ``tf.function`` itself would trace twice for one that is made inside."""
    value = arguments["initial_value"]
    if tf.is_tensor(value) and tf.is_symbolic_tensor(value):
        known = tf.get_static_value(value)
        if known is None:
            raise InputError(
                f"variable {arguments.get('name')!r} gets an initial value that depends on the batch; give it "
                "a constant or an initializer"
            )
        arguments["initial_value"] = known
    with tf.init_scope():
        return eager(**arguments)


@contextlib.contextmanager
def _layers() -> Iterator[list[keras.layers.Layer]]:
    """Collects every layer that is called, in the order in which the calls end, each once."""
    found: dict[int, keras.layers.Layer] = {}
    run = keras.layers.Layer.__call__

    def noted(self: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        outputs = run(self, *args, **kwargs)
        found.setdefault(id(self), self)
        return outputs

    layers: list[keras.layers.Layer] = []
    keras.layers.Layer.__call__ = noted
    try:
        yield layers
    finally:
        keras.layers.Layer.__call__ = run
    layers += found.values()


def _check(spec: object, mode: ModeKeys, title: str) -> None:
    if not isinstance(spec, EstimatorSpec):
        raise InputError(
            f"{title} gives {type(spec).__name__} in mode {mode.value!r}; it must give zoo_tf.EstimatorSpec"
        )
    if mode is ModeKeys.TRAIN:
        if spec.loss is None:
            raise InputError(f"{title} gives no loss in mode 'train'; give EstimatorSpec(mode, loss=…)")
        if not isinstance(spec.optimizer, keras.optimizers.Optimizer):
            met = "no optimizer" if spec.optimizer is None else f"the optimizer {spec.optimizer!r}"
            raise InputError(
                f"{title} gives {met} in mode 'train'; give EstimatorSpec(mode, loss=…, "
                "optimizer=keras.optimizers.Adam(…))"
            )
    if mode is ModeKeys.TRAIN and _averages_in_vain(spec.optimizer):
        raise InputError(
            f"the optimizer of {title} has use_ema without ema_overwrite_frequency: only Keras' fit would put the "
            "averages in the weights' place at the end; give a frequency, or leave use_ema out"
        )
    if mode is ModeKeys.EVAL and spec.loss is None and not spec.eval_metric_ops:
        raise InputError(f"{title} gives neither loss nor eval_metric_ops in mode 'eval'; give either")
    if mode is ModeKeys.PREDICT and not tensors_in(spec.predictions, PREDICTED):
        raise InputError(
            f"{title} gives predictions {type(spec.predictions).__name__} in mode 'infer', which hold no tensor; "
            "give a dictionary of tensors"
        )
    shape = None if spec.loss is None else tf.convert_to_tensor(spec.loss).shape
    if shape is not None and shape.rank not in (0, None):
        raise InputError(
            f"the loss of {title} has shape {shape.as_list()}; it must be one number: take the mean"
        )


def _averages_in_vain(optimizer: keras.optimizers.Optimizer) -> bool:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return bool(inner.use_ema) and not inner.ema_overwrite_frequency
