"""Optimizer specs as Keras optimizers, by canonical names: gradients in, norm out, neutral state.

``zoo_spec.training.optimizers`` has the formulas and the order of a step. Keras' own forms differ, so ``Sgd`` and
``AdamW`` are Keras optimizers with another ``update_step``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, singledispatch

import keras
import numpy as np
import tensorflow as tf

from zoo_common.paths import Choice
from zoo_common.weights import as_source
from zoo_spec.errors import EnvironmentFault
from zoo_spec.training import optimizers as specs

ADAMW_MOMENTS = {"first_moment": "_momentums", "second_moment": "_velocities"}
SGD_MOMENTS = {"momentum": "momentums"}
"""Neutral moment name -> the attribute of a Keras optimizer that lists its variables."""

UPDATE = Choice("update", "compiled", "plain", part="update", of=__name__)
SMALL = 1 << 13
"""Elements of a variable up to which TensorFlow's own update is about as fast as XLA's: of 64 it takes 15 us on a
CPU, and XLA's 22; of 16,384 it takes 69, and XLA's 58."""

Native = keras.optimizers.Optimizer
Gradient = tf.Tensor | tf.IndexedSlices
Relayout = Callable[[str, np.ndarray], np.ndarray]
"""(canonical name, array) -> the array in another layout."""


def make_optimizer(
    spec: specs.Optimizer,
    named_parameters: Mapping[str, keras.Variable],
    roles: Mapping[str, str],
    to_canonical: Relayout = lambda name, array: array,
    from_canonical: Relayout = lambda name, array: array,
    factors: Mapping[str, float] | None = None,
) -> Optimizer:
    """The optimizer for these variables; ``roles`` has the model's roles by canonical name.

    ``to_canonical`` turns a variable's layout into torch's, ``from_canonical`` back. ``factors`` multiply the rate of
    these variables, decay included. Raises SpecError where ``no_decay`` names a role that no parameter has.
    """
    decays = spec.decay_mask(roles)
    # Keras would keep the rate in float32. As a function of its own it is float64, whatever the model.
    rate = tf.Variable(
        spec.learning_rate,
        dtype=tf.float64,
        trainable=False,
        name="learning_rate",
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
    native, moments = native_optimizer(spec, lambda: rate)
    native.exclude_from_weight_decay(
        var_list=[each for name, each in named_parameters.items() if not decays[name]]
    )
    native.build(list(named_parameters.values()))
    native.factors = tuple((factors or {}).get(name, 1.0) for name in named_parameters)
    clip = spec.max_gradient_norm
    return Optimizer(native, named_parameters, moments, clip, rate, to_canonical, from_canonical)


def native_optimizer(
    spec: specs.Optimizer, rate: Callable[[], tf.Tensor]
) -> tuple[TorchsForm, dict[str, str]]:
    """As ``make_native``; EnvironmentFault for what is not in torch's form."""
    native, moments = make_native(spec, rate)
    if not isinstance(native, TorchsForm):
        # Keras' own would take gradients that are not clipped yet, and add them up over replicas once more.
        raise EnvironmentFault(
            f"the TensorFlow form of optimizer {spec.kind!r}, {type(native).__name__}, is no "
            "zoo_tf.optimizers.TorchsForm; put that before its Keras class"
        )
    return native, moments


class Optimizer:
    """A Keras optimizer over named variables, with clipping by global norm and neutral state.

    ``native`` is the Keras optimizer; ``moments`` maps neutral moment names to the attributes that hold them.
    """

    def __init__(
        self,
        native: Native,
        named_parameters: Mapping[str, keras.Variable],
        moments: Mapping[str, str],
        max_gradient_norm: float | None,
        rate: tf.Variable,
        to_canonical: Relayout,
        from_canonical: Relayout,
    ) -> None:
        self.native = native
        self.native.adds_replicas = False  # The norm is that of the sum, which ``apply`` takes.
        self.parameters = dict(named_parameters)
        self.moments = dict(moments)
        self.max_gradient_norm = max_gradient_norm
        self._rate = rate
        self._to_canonical = to_canonical
        self._from_canonical = from_canonical

    def apply(self, gradients: Mapping[str, Gradient | None], rate: float | tf.Tensor) -> tf.Tensor:
        """Update every variable; returns the global norm before clipping, a scalar of the gradients' dtype.

        ``gradients`` has every parameter's name; None (the loss does not reach it) counts as zeros. Inside a
        ``tf.function`` pass the rate as a float64 tensor, so that a new rate is no new trace. If the norm is
        not finite, the variables are lost: the caller looks at it and stops without saving them. Inside
        ``tf.distribute.Strategy.run`` the gradients of all replicas are added up first.
        """
        dense = _summed([_dense(variable, gradients[name]) for name, variable in self.parameters.items()])
        norm = tf.linalg.global_norm(dense)
        # The update scales the gradients itself, so that no second copy of them all is made.
        if self.max_gradient_norm is not None:
            self.native.gradient_scale = self.max_gradient_norm / tf.maximum(norm, self.max_gradient_norm)
        self._rate.assign(tf.convert_to_tensor(rate, tf.float64))
        self.native.apply(dense, list(self.parameters.values()))
        self.native.gradient_scale = 1.0
        return norm

    @property
    def step(self) -> int:
        """Number of updates made; settable, for it is no part of ``state``."""
        return int(self.native.iterations.numpy())

    @step.setter
    def step(self, step: int) -> None:
        self.native.iterations.assign(step)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all moments by ``<canonical name>/<moment>``, in torch's layout."""
        return {
            f"{name}/{moment}": np.array(self._to_canonical(name, variable.numpy()))
            for name, moment, variable in self._moment_variables()
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what either framework's ``state`` gave; InputError unless it has every moment in its shape."""
        source = as_source(state)
        specs.check_state(self._shapes(), {key: entry.shape for key, entry in source.entries.items()})
        for name, moment, variable in self._moment_variables():
            value = source.read(f"{name}/{moment}").astype(variable.dtype, copy=False)
            variable.assign(self._from_canonical(name, value))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every moment in torch's layout."""
        return {
            f"{name}/{moment}": self._to_canonical(name, np.broadcast_to(np.float32(0), variable.shape)).shape
            for name, moment, variable in self._moment_variables()
        }

    def _moment_variables(self) -> list[tuple[str, str, keras.Variable]]:
        """(canonical name, neutral moment name, variable) of every moment."""
        return [
            (name, moment, getattr(self.native, attribute)[index])
            for index, name in enumerate(self.parameters)
            for moment, attribute in self.moments.items()
        ]


def _plain_update(kind: type[TorchsForm], constants: tuple[float, ...]) -> Callable[..., None]:
    """The update, in place, of a kind with these constants.

    It takes handles: a ``tf.function`` sees one kind of tensor in them, and in variables that replicas mirror, or
    that Keras made inside another function, the very objects of its first call, which it then updates for ever.
    """

    def run(handles: list[tf.Tensor], gradient: tf.Tensor, *scalars: tf.Tensor) -> None:
        old = [tf.raw_ops.ReadVariableOp(resource=handle, dtype=gradient.dtype) for handle in handles]
        for handle, new in zip(handles, kind.update(old, gradient, *scalars, *constants), strict=True):
            tf.raw_ops.AssignVariableOp(resource=handle, value=new)

    return run


@cache
def _traced_update(kind: type[TorchsForm], constants: tuple[float, ...]) -> Callable[..., None]:
    """The same by TensorFlow, traced once for all variables of a shape: a step's trace then has a call of each."""
    return tf.function(_plain_update(kind, constants), autograph=False)


@cache
def _compiled_update(kind: type[TorchsForm], constants: tuple[float, ...]) -> Callable[..., None]:
    """The same by XLA, one for all optimizers: TensorFlow never lets go of what XLA made."""
    return tf.function(_plain_update(kind, constants), jit_compile=True, autograph=False)


class TorchsForm:
    """What all optimizers here have in common, a plugin's too; a mixin before the Keras class that it changes.

    Such a class says in its own file what an update is: ``rates``, ``constants``, ``moments_of`` and ``update``, as
    those below do.
    """

    gradient_scale: float | tf.Tensor = 1.0
    """What the gradients are still to be multiplied by; who clips them sets it before each step."""
    factors: tuple[float, ...] = ()
    """What the rate of each variable is multiplied by, in the order in which they were given; none: 1."""
    ways: Sequence[str] = ()
    """How each variable is updated, where nothing else is asked for: ``UPDATE`` says."""
    adds_replicas = True
    """Whether the gradients are still to be added up over replicas; who clips them has done it."""

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the moments; on a CPU, XLA is to make one loop of each large variable's update.

        TensorFlow itself would pass over the memory some fifteen times. A GPU is fast without XLA, which many
        installations there cannot use; and so is what lies in a core's cache, where XLA would take a twelfth of a
        second for each shape first.
        """
        super().build(variables)
        on_gpu = any("GPU" in variable.value.device for variable in variables)
        self.ways = [
            "plain" if on_gpu or math.prod(each.shape) <= SMALL else "compiled" for each in variables
        ]

    def apply(
        self, grads: list[Gradient | None], trainable_variables: list[keras.Variable] | None = None
    ) -> None:
        """Update the variables.

        An embedding's gradient comes as the rows that were used; Keras would square, clip and unscale repeated
        ones each by itself, or not at all.
        """
        dense = [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in grads]
        # Past Keras' __setattr__, which would track what it holds.
        object.__setattr__(self, "_scalars", {})
        super().apply(dense, trainable_variables)
        self._scalars.clear()

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable and its moments."""
        index = self._get_variable_index(variable)
        moments = [_beside(variable, moment.value) for moment in self.moments_of(index)]
        compiles = tf.test.is_built_with_xla() and UPDATE.taken(self.ways[index]) == "compiled"
        form = _compiled_update if compiles else _traced_update
        handles = [variable.handle, *(moment.handle for moment in moments)]
        decays = bool(self.weight_decay and self._use_weight_decay(variable))
        key = (decays, variable.dtype, self.factors[index] if self.factors else 1.0)
        if key not in self._scalars:
            self._scalars[key] = self.scalars_of(*key, tf.cast(learning_rate, tf.float64))
        form(type(self), self.constants())(handles, gradient, *self._scalars[key])

    def scalars_of(self, decays: bool, dtype: tf.DType, factor: float, rate: tf.Tensor) -> list[tf.Tensor]:
        """What a step's updates of such variables have in common: with its powers, as much to trace as an update."""
        rate = rate * tf.constant(factor, tf.float64)
        kept = 1.0 - rate * self.weight_decay if decays else tf.ones((), tf.float64)
        return [tf.cast(value, dtype) for value in (self.gradient_scale, kept, *self.rates(rate))]

    def _apply_weight_decay(self, variables: list[tf.Variable]) -> None:
        """Nothing: ``update`` decays, where Keras' own would pass the constants through float32."""

    def _all_reduce_sum_gradients(self, pairs: list[tuple[tf.Tensor, tf.Variable]]) -> object:
        """The sum over replicas, where there are several.

        TensorFlow registers the gradient of such a sum, and with it holds the traced step, and the model, for as
        long as the process lives.
        """
        if not self.adds_replicas or tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return pairs
        return super()._all_reduce_sum_gradients(pairs)


@keras.saving.register_keras_serializable("zoo")
class Sgd(TorchsForm, keras.optimizers.SGD):
    """Keras' SGD in torch's form: ``buffer = momentum * buffer + g; p -= rate * buffer``."""

    def rates(self, rate: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What a step's update depends on."""
        return (rate,)

    def constants(self) -> tuple[float, bool]:
        """What an update computes with, whatever the variable and the step."""
        return self.momentum, self.nesterov

    def moments_of(self, index: int) -> list[keras.Variable]:
        """The momentum of a variable, if there is any."""
        return [self.momentums[index]] if self.momentum else []

    @staticmethod
    def update(
        old: list[tf.Tensor],
        gradient: tf.Tensor,
        scale: tf.Tensor,
        kept: tf.Tensor,
        rate: tf.Tensor,
        momentum: float,
        nesterov: bool,
    ) -> list[tf.Tensor]:
        """The variable and its moments; ``kept`` is what decay leaves of the variable."""
        variable, *moments = old
        change = gradient * scale
        if moments:
            moments = [moments[0] * momentum + change]
            change = change + moments[0] * momentum if nesterov else moments[0]
        return [variable * kept - change * rate, *moments]


@keras.saving.register_keras_serializable("zoo")
class AdamW(TorchsForm, keras.optimizers.AdamW):
    """Keras' AdamW in torch's form, as ``zoo_spec.training.optimizers`` has it, its bias corrections in float64."""

    def rates(self, rate: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The rate and the root of the second moment, each with its bias correction."""
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float64)
        correction_1 = 1.0 - tf.constant(self.beta_1, tf.float64) ** step
        correction_2 = 1.0 - tf.constant(self.beta_2, tf.float64) ** step
        return rate / correction_1, tf.sqrt(correction_2)

    def constants(self) -> tuple[float, float, float]:
        """What an update computes with, whatever the variable and the step."""
        return self.beta_1, self.beta_2, self.epsilon

    def moments_of(self, index: int) -> list[keras.Variable]:
        """The two moments of a variable."""
        return [self._momentums[index], self._velocities[index]]

    @staticmethod
    def update(
        old: list[tf.Tensor],
        gradient: tf.Tensor,
        scale: tf.Tensor,
        kept: tf.Tensor,
        rate: tf.Tensor,
        root: tf.Tensor,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> list[tf.Tensor]:
        """The variable and its moments; ``kept`` is what decay leaves of the variable."""
        variable, first, second = old
        change = gradient * scale
        first = first + (change - first) * (1.0 - beta_1)
        second = second * beta_2 + tf.square(change) * (1.0 - beta_2)
        return [variable * kept - first * rate / (tf.sqrt(second) / root + epsilon), first, second]


@singledispatch
def make_native(spec: specs.Optimizer, rate: Callable[[], tf.Tensor]) -> tuple[Native, dict[str, str]]:
    """The Keras optimizer that runs at ``rate()``, and the attributes of its moments."""
    raise EnvironmentFault(f"optimizer {spec.kind!r} has no TensorFlow form; register one with make_native")


@make_native.register
def _sgd(spec: specs.Sgd, rate: Callable[[], tf.Tensor]) -> tuple[Native, dict[str, str]]:
    native = Sgd(rate, momentum=spec.momentum, nesterov=spec.nesterov, weight_decay=spec.weight_decay)
    return native, {moment: SGD_MOMENTS[moment] for moment in spec.moments}


@make_native.register
def _adamw(spec: specs.AdamW, rate: Callable[[], tf.Tensor]) -> tuple[Native, dict[str, str]]:
    native = AdamW(
        rate, beta_1=spec.beta_1, beta_2=spec.beta_2, epsilon=spec.epsilon, weight_decay=spec.weight_decay
    )
    return native, {moment: ADAMW_MOMENTS[moment] for moment in spec.moments}


def _dense(variable: keras.Variable, gradient: Gradient | None) -> tf.Tensor:
    """The gradient as a tensor: an embedding's comes as the rows that were used, repeats not yet added."""
    return tf.zeros_like(variable) if gradient is None else tf.convert_to_tensor(gradient)


def _summed(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Their sums over the replicas, where there are several."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, gradients))


def _beside(variable: tf.Variable, moment: tf.Variable) -> tf.Variable:
    """The replica of a moment that lies on the variable's device."""
    replicas = tf.distribute.get_strategy().experimental_local_results(moment)
    return (
        replicas[0]
        if len(replicas) == 1
        else next(each for each in replicas if each.device == variable.device)
    )
