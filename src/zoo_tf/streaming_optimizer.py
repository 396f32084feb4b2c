"""A registered optimizer's update of weights that are not variables: values in, values out, a unit at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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

    def updated(
        self, old: Mapping[str, Sequence[Array]], gradients: Mapping[str, Array | tf.Tensor]
    ) -> dict[str, list[Array]]:
        """The values after the step of several weights and their moments, in new memory; gradients in their layout.

        All in one call, which is faster.
        """
        first = next(iter(gradients.values()))
        dtype = tf.as_dtype(first.dtype)
        scalars = {name: self._scalars_of(name, dtype) for name in gradients}
        kept = list({id(each): each for each in scalars.values()}.values())
        of = tuple(next(i for i, one in enumerate(kept) if one is each) for each in scalars.values())
        shapes = tuple(tuple(each.shape) for each in gradients.values())
        on_gpu = not isinstance(first, np.ndarray) and "GPU" in first.device
        ways = tuple(_compiles(math.prod(shape), on_gpu) for shape in shapes)
        olds = len(next(iter(old.values())))
        tensors = [shared(place.reshape(-1)) for places in old.values() for place in places]
        tensors += (shared(each) if isinstance(each, np.ndarray) else each for each in gradients.values())
        tensors += (scalar for one in kept for scalar in one)
        form = _updates(type(self._native), self._native.constants(), olds, len(kept[0]), of, ways)
        new = iter(form(tensors, (dtype, shapes)))
        return {
            name: [np.asarray(next(new)).reshape(place.shape) for place in places]
            for name, places in old.items()
        }

    def _updated(
        self, name: str, old: Sequence[tf.Tensor], gradient: tf.Tensor, size: int
    ) -> list[tf.Tensor]:
        ways = (_compiles(size, "GPU" in gradient.device),)
        scalars = self._scalars_of(name, gradient.dtype)
        form = _updates(type(self._native), self._native.constants(), len(old), len(scalars), (0,), ways)
        return form([*old, gradient, *scalars], (gradient.dtype, len(gradient)))

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


def _compiles(size: int, on_gpu: bool) -> bool:
    """Whether XLA updates a weight of so many values."""
    way = UPDATE.taken("plain" if on_gpu or size <= SMALL else "compiled")
    return way == "compiled" and tf.test.is_built_with_xla()


@cache
def _updates(
    kind: type[TorchsForm],
    constants: tuple[float, ...],
    olds: int,
    width: int,
    scalars_of: tuple[int, ...],
    ways: tuple[bool, ...],
) -> Traced:
    """Of weights one after the other: so many old values of each, their gradients, and sets of so many scalars.

    ``scalars_of`` says which set is whose, and ``ways`` whom XLA updates.
    """

    def run(*tensors: tf.Tensor) -> list[tf.Tensor]:
        found: list[tf.Tensor] = []
        start = len(ways) * olds
        gradients, scalars = tensors[start : start + len(ways)], tensors[start + len(ways) :]
        for index, (gradient, of, compiled) in enumerate(zip(gradients, scalars_of, ways, strict=True)):
            old = tensors[index * olds : (index + 1) * olds]
            step = _update(kind, constants, olds, compiled)
            found += step(*old, _flat(gradient), *scalars[of * width : (of + 1) * width])
        return found

    return Traced(tf.function(run, autograph=False))


@cache
def _update(
    kind: type[TorchsForm], constants: tuple[float, ...], olds: int, compiled: bool
) -> Callable[..., list[tf.Tensor]]:
    """Of one weight. By XLA it is one for all models: TensorFlow never lets go of what XLA made."""

    def run(*tensors: tf.Tensor) -> list[tf.Tensor]:
        return kind.update(list(tensors[:olds]), *tensors[olds:], *constants)

    return tf.function(run, autograph=False, jit_compile=True) if compiled else run


def _order(native: TorchsForm, attributes: Mapping[str, str]) -> list[str]:
    """The neutral names of the moments in the order in which ``update`` takes them, by a variable of one number."""
    native.build([keras.Variable([0.0])])
    lists = {id(getattr(native, attribute)[0]): name for name, attribute in attributes.items()}
    return [lists[id(moment)] for moment in native.moments_of(0)]
