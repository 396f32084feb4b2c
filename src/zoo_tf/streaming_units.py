"""One native layer stands for all units of a kind, and takes the weights of each in turn."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo_common.backend import Array
from zoo_spec.graph import Unit
from zoo_tf.blocks.base import Log, walk
from zoo_tf.blocks.build import build
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.blocks.norm import BatchNorm
from zoo_tf.compiling import POLICIES, policy
from zoo_tf.dropouts import Use, watch
from zoo_tf.leaves import TO_TORCH, canonical_shape, variables_of
from zoo_tf.randomness import Drawer, Keys
from zoo_tf.streaming_calls import Traced

_ALIGNED = 64
"""Bytes, at multiples of which TensorFlow's kernels have their tensors begin."""


class Template:
    """The native layer of a kind of unit, whose trained leaves are ``learned``; names here go on from the unit's.

    What a unit is given, and where, decides how it is called: each such ``Way`` is traced once.
    """

    def __init__(
        self, unit: Unit, learned: frozenset[str], fixed: frozenset[str], *, dtype: str, portable: bool
    ) -> None:
        self.key = (unit.place.block, unit.place.inputs, learned, fixed)
        self.portable = portable
        self.traces = 0
        with policy(POLICIES[dtype]):
            self.layer = build(unit.place.block, unit.place.inputs)
        layers = list(walk("", self.layer, set()))
        self.variables = dict(variables_of(layers))
        self.learned = [leaf for leaf in self.variables if leaf in learned]
        self.dropouts = [(path, layer) for path, layer in layers if isinstance(layer, Dropout)]
        for path, layer in layers:
            if path in fixed:
                assert isinstance(layer, BatchNorm)
                layer.fixed = True
        for leaf, variable in self.variables.items():
            if variable.trainable and leaf not in learned:
                variable.trainable = False
        kept = {leaf for leaf, each in self.variables.items() if leaf not in learned and not each.trainable}
        moving = {f"{path}.{leaf}" for path, layer in layers for leaf in _moving(layer)}
        self.statistics = [leaf for leaf in self.variables if leaf in kept & moving]
        self._ways: dict[object, Way] = {}
        signature = [tf.TensorSpec(canonical_shape(each), each.dtype) for each in self.variables.values()]
        self.halves = Traced(tf.function(_halves, autograph=False))
        """Half the squared norm of each learned leaf's gradient."""
        self._take = Traced(tf.function(self._assign, autograph=False, input_signature=signature))

    def load(self, path: str, weights: Mapping[str, Array]) -> None:
        """Be the unit at ``path``, as long as the arrays keep their values."""
        self._take([shared(weights[path + leaf]) for leaf in self.variables])

    def _assign(self, *weights: tf.Tensor) -> None:
        for variable, weight in zip(self.variables.values(), weights, strict=True):
            variable.value.assign(native(variable, weight))

    def way(self, call: Arguments, training: bool | None, uses: Uses) -> Way:
        """How it is called with such arguments; ``uses`` are the masks that each dropout has given before."""
        key = (call.key, training, uses)
        if key not in self._ways:
            self._ways[key] = Way(self, call, training, uses)
        return self._ways[key]

    @contextlib.contextmanager
    def drawing(self, keys: Keys | None, uses: Uses) -> Iterator[None]:
        """Dropout's masks of these keys, going on from these uses; drawn afresh without keys."""
        for index, (_, dropout) in enumerate(self.dropouts):
            dropout.set_draw(None if keys is None else Drawer(keys, index))
            dropout.set_uses(uses[index])
        try:
            yield
        finally:
            for _, dropout in self.dropouts:
                dropout.set_draw(None)

    @contextlib.contextmanager
    def recorded(self, path: str, log: Log | None, uses: list[Use] | None) -> Iterator[None]:
        """Have who looks on see the unit at ``path`` in it: each run of a block, and what each dropout does."""
        if log is not None:
            log.paths.update((id(layer), path + inner) for inner, layer in walk("", self.layer, set()))
        named = [(path + inner, dropout) for inner, dropout in self.dropouts]
        with contextlib.nullcontext() if uses is None else watch(named, uses):
            yield


Uses = tuple[int, ...]


class Arguments:
    """What a call is given: a structure, whose leaves are the specs of tensors, or what they are themselves."""

    def __init__(self, structure: Any, specs: Sequence[Any], key: Hashable) -> None:
        self.key = key
        self._structure = structure
        self._specs = specs
        self.given = [spec for spec in specs if isinstance(spec, tf.TensorSpec)]
        self.floats = [index for index, spec in enumerate(self.given) if spec.dtype.is_floating]

    def unpack(self, given: Sequence[tf.Tensor]) -> Any:
        """Positional arguments and keywords, with these tensors."""
        waiting = iter(given)
        leaves = [next(waiting) if isinstance(spec, tf.TensorSpec) else spec for spec in self._specs]
        return tf.nest.pack_sequence_as(self._structure, leaves)

    def tensors(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tf.Tensor]:
        """Those of a call."""
        return [leaf for leaf in tf.nest.flatten((tuple(args), dict(kwargs))) if tf.is_tensor(leaf)]


def specs_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """What a call is given."""
    leaves = tf.nest.flatten((tuple(args), dict(kwargs)))
    specs = tuple(tf.TensorSpec(leaf.shape, leaf.dtype) if tf.is_tensor(leaf) else leaf for leaf in leaves)
    structure = tf.nest.pack_sequence_as((tuple(args), dict(kwargs)), [None] * len(leaves))
    return Arguments(structure, specs, (len(args), tuple(sorted(kwargs)), specs))


def packed(like: Any, tensors: Sequence[tf.Tensor]) -> Any:
    """Tensors in a structure that says where each is, and where there is None."""
    waiting = iter(tensors)
    leaves = [None if leaf is None else next(waiting) for leaf in tf.nest.flatten(like)]
    return tf.nest.pack_sequence_as(like, leaves)


class Way:
    """One way to call a kind: what is a tensor, of which shape, and what else is given."""

    def __init__(self, template: Template, call: Arguments, training: bool | None, uses: Uses) -> None:
        self.template = template
        self.uses_before = uses
        self._call = call
        self._said = {} if training is None else {"training": training}
        given, self.floats = self._call.given, self._call.floats
        keys = tf.TensorSpec((len(template.dropouts), 2), tf.int64)
        forward = tf.function(self._run, autograph=False, input_signature=[keys, *given])
        with tf.init_scope():  # Not within the trace that met this call.
            forward.get_concrete_function()
        signature = [keys, *given, *self.gave]
        self._function = forward
        self._forward = Traced(forward)
        self._backward = Traced(tf.function(self._differentiate, autograph=False, input_signature=signature))

    def pack(self, outputs: Sequence[tf.Tensor]) -> Any:
        """The outputs as the layer gives them."""
        return packed(self._output, outputs)

    def forward(self, keys: tf.Tensor, given: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What the layer gives."""
        return self._forward([keys, *given])

    def again(self, keys: tf.Tensor, given: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The same on the way back, where a resident step has its gradients beside it.

        TensorFlow multiplies in another order what nobody but the next factor needs, such as a norm's: of a tape's
        call it keeps whatever the gradients need.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([given[index] for index in self.floats])
            tape.watch(self._learned())
            return self._function(keys, *given)

    def backward(
        self, keys: tf.Tensor, given: Sequence[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Gradients of what is given in floats, and of the learned leaves; the outputs' gradients stand behind it."""
        found = self._backward([keys, *given])
        return found[: len(self.floats)], found[len(self.floats) :]

    def _learned(self) -> list[tf.Variable]:
        return [self.template.variables[leaf].value for leaf in self.template.learned]

    def _run(self, keys: tf.Tensor, *given: tf.Tensor) -> list[tf.Tensor]:
        self.template.traces += 1
        args, kwargs = self._call.unpack(given)
        with self.template.drawing(Keys(keys, self.template.portable), self.uses_before):
            output = self.template.layer(*args, **kwargs, **self._said)
            self.uses_after = tuple(dropout.uses for _, dropout in self.template.dropouts)
        found = [leaf for leaf in tf.nest.flatten(output) if leaf is not None]
        self._output = tf.nest.map_structure(lambda leaf: None if leaf is None else True, output)
        self.gave = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in found]
        return found

    def _differentiate(self, keys: tf.Tensor, *given: tf.Tensor) -> list[tf.Tensor]:
        count = len(given) - len(self.gave)
        given, from_outputs = given[:count], given[count:]
        floats = [given[index] for index in self.floats]
        watched = self._learned()
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*floats, *watched])
            outputs = self._run(keys, *given)
        found = tape.gradient(outputs, [*floats, *watched], list(from_outputs), tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(each) for each in found]


def native(variable: keras.Variable, array: Array | tf.Tensor) -> tf.Tensor:
    """An array in torch's layout as a tensor in the variable's own, which shares the memory where it can."""
    tensor = array if tf.is_tensor(array) else shared(array)
    if variable.name != "kernel":
        return tensor
    return tf.transpose(tensor, np.argsort(TO_TORCH[tensor.shape.rank]))


def canonical(variable: keras.Variable, tensor: tf.Tensor) -> tf.Tensor:
    """A tensor in the variable's layout in torch's."""
    if variable.name != "kernel":
        return tensor
    return tf.raw_ops.Transpose(x=tensor, perm=_to_torch(tensor.shape.rank))


@cache
def _to_torch(rank: int) -> tf.Tensor:
    """The order of axes, as a tensor: to make one takes as long as to look at a small one's values."""
    with tf.init_scope():  # Whoever asks first may be tracing.
        return tf.constant(TO_TORCH[rank])


def shared(array: Array) -> tf.Tensor:
    """A tensor of an array's own memory; of a copy where it does not begin where TensorFlow would have it."""
    if array.ctypes.data % _ALIGNED or not array.flags.writeable or not array.flags.c_contiguous:
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def aligned(shape: tuple[int, ...], dtype: str) -> Array:
    """An array, of no values yet, whose memory ``shared`` can share."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + _ALIGNED, np.uint8)
    start = -room.ctypes.data % _ALIGNED
    return room[start : start + size].view(dtype).reshape(shape)


def _halves(*gradients: tf.Tensor) -> list[tf.Tensor]:
    return [tf.nn.l2_loss(gradient) for gradient in gradients]


def _moving(layer: keras.layers.Layer) -> tuple[str, ...]:
    """The leaves that a layer changes by itself while it is trained."""
    return ("running_mean", "running_var") if isinstance(layer, BatchNorm) and not layer.fixed else ()
