"""A registered optimizer's update of weights that are not variables: values in, values out, a unit at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import keras
import numpy as np
import tensorflow as tf

from zoo_common.backend import Array
from zoo_spec.training import optimizers as specs
from zoo_tf.optimizers import SMALL, UPDATE, TorchsForm, native_optimizer
from zoo_tf.streaming_calls import Traced
from zoo_tf.streaming_units import shared

AT_ONCE = 1 << 20
"""Values."""


class StreamedOptimizer:
    """The same steps as ``zoo_tf.optimizers.Optimizer`` takes, bit for bit, over whatever holds weights and moments.

    ``factors`` has every weight that is trained, in the model's order, and what its rate is multiplied by.
    """

    def __init__(self, spec: specs.Optimizer, factors: Mapping[str, float], roles: Mapping[str, str]) -> None:
        self._native, attributes = native_optimizer(spec, lambda: tf.constant(spec.learning_rate, tf.float64))
        self._factors = dict(factors)
        self._decays = spec.decay_mask(roles)
        self._clip = spec.max_gradient_norm
        self._scalars: dict[tuple[bool, tf.DType, float], list[tf.Tensor]] = {}
        self.moments = _order(self._native, attributes)
        self._native.iterations.assign(0)

    @property
    def clips(self) -> bool:
        """Whether no update can be made before the gradients are all there."""
        return self._clip is not None

    @property
    def step(self) -> int:
        """Number of updates made; settable."""
        return int(self._native.iterations.numpy())

    @step.setter
    def step(self, step: int) -> None:
        self._native.iterations.assign(step)

    def begin(self, rate: float) -> None:
        """The next step's updates are at this rate."""
        self._rate = tf.constant(rate, tf.float64)
        self._scalars.clear()

    def clip(self, norm: tf.Tensor) -> None:
        """Scale the gradients of this step, whose global norm this is, as the spec says."""
        self._scalars.clear()
        self._native.gradient_scale = 1.0
        if self._clip is not None:
            self._native.gradient_scale = self._clip / tf.maximum(norm, self._clip)

    def update(self, name: str, places: Sequence[Array], gradient: tf.Tensor, *, of: int) -> None:
        """Take the step in a weight and its ``moments``, where they are; all of one layout.

        They may be a part of what has ``of`` values. A range of values goes at a time, while it is near.
        """
        flat = [place.reshape(-1) for place in places]
        change = _flat(gradient)
        for start in range(0, flat[0].size, AT_ONCE):
            part = [each[start : start + AT_ONCE] for each in flat]
            small = change if len(change) <= AT_ONCE else change[start : start + AT_ONCE]
            new = self._updated(name, [shared(each) for each in part], small, of)
            for place, value in zip(part, new, strict=True):
                np.copyto(place, np.asarray(value))

    def updated(self, name: str, places: Sequence[Array], gradient: tf.Tensor, *, of: int) -> list[Array]:
        """The same, in new memory."""
        old = [shared(place.reshape(-1)) for place in places]
        new = self._updated(name, old, _flat(gradient), of)
        return [np.asarray(value).reshape(place.shape) for place, value in zip(places, new, strict=True)]

    def _updated(
        self, name: str, old: Sequence[tf.Tensor], gradient: tf.Tensor, size: int
    ) -> list[tf.Tensor]:
        on_gpu = "GPU" in gradient.device
        way = UPDATE.taken("plain" if on_gpu or size <= SMALL else "compiled")
        compiled = way == "compiled" and tf.test.is_built_with_xla()
        scalars = self._scalars_of(name, gradient.dtype)
        form = _updates(type(self._native), self._native.constants(), len(old), len(scalars), compiled)
        return form([*old, gradient, *scalars], (gradient.dtype, len(gradient)))

    def update_small(
        self, old: Mapping[str, Sequence[tf.Tensor]], gradients: Mapping[str, tf.Tensor]
    ) -> dict[str, list[tf.Tensor]]:
        """The values after the step of several weights and their moments, of no more than ``SMALL`` each.

        All in one call, which is faster.
        """
        scalars = {name: self._scalars_of(name, gradient.dtype) for name, gradient in gradients.items()}
        olds, width = (len(next(iter(each.values()))) for each in (old, scalars))
        form = _updates(type(self._native), self._native.constants(), olds, width, False)
        tensors = [
            each for name, gradient in gradients.items() for each in (*old[name], gradient, *scalars[name])
        ]
        kinds = tuple((gradient.dtype, tuple(gradient.shape)) for gradient in gradients.values())
        found = iter(form(tensors, kinds))
        return {name: [next(found) for _ in old[name]] for name in gradients}

    def _scalars_of(self, name: str, dtype: tf.DType) -> list[tf.Tensor]:
        key = (bool(self._native.weight_decay and self._decays[name]), dtype, self._factors[name])
        if key not in self._scalars:
            self._scalars[key] = self._native.scalars_of(*key, self._rate)
        return self._scalars[key]

    def end(self) -> None:
        """All updates of the step are made."""
        self._native.iterations.assign_add(1)
        self._native.gradient_scale = 1.0


def global_norm(halves: Sequence[tf.Tensor]) -> tf.Tensor:
    """As ``tf.linalg.global_norm``, of the halved squared norms of the tensors one by one."""
    total = tf.reduce_sum(tf.stack(halves))
    return tf.sqrt(total * tf.constant(2.0, total.dtype))


def _flat(tensor: tf.Tensor) -> tf.Tensor:
    return tensor if tensor.shape.rank == 1 else tf.reshape(tensor, [-1])


@cache
def _updates(
    kind: type[TorchsForm], constants: tuple[float, ...], olds: int, scalars: int, compiled: bool
) -> Traced:
    """Of weights one after the other: each has so many old values, its gradient and so many scalars.

    By XLA it is one for all models: TensorFlow never lets go of what XLA made.
    """

    def run(*tensors: tf.Tensor) -> list[tf.Tensor]:
        found, width = [], olds + 1 + scalars
        for start in range(0, len(tensors), width):
            of_one = tensors[start : start + width]
            found += kind.update(list(of_one[:olds]), *of_one[olds:], *constants)
        return found

    return Traced(tf.function(run, autograph=False, jit_compile=compiled or None))


def _order(native: TorchsForm, attributes: Mapping[str, str]) -> list[str]:
    """The neutral names of the moments in the order in which ``update`` takes them, by a variable of one number."""
    native.build([keras.Variable([0.0])])
    lists = {id(getattr(native, attribute)[0]): name for name, attribute in attributes.items()}
    return [lists[id(moment)] for moment in native.moments_of(0)]
