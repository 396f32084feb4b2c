"""The units of a model: what answers for its layers, and the passes that are traced over them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import keras
import tensorflow as tf

from zoo_common.streaming import Host
from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Unit, Units
from zoo_spec.graph.wiring import BlockPlace
from zoo_spec.trained import Trained
from zoo_tf.blocks.base import Block, named_layers, recording_now, walk
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.dropouts import Use
from zoo_tf.randomness import Drawer, Keys, StepRandomness
from zoo_tf.streaming_program import Call, Program
from zoo_tf.streaming_units import Arguments, Template, Uses, Way, packed, specs_of


@dataclass(frozen=True, eq=False)
class UnitCall(Call):
    """A unit is called: ``given`` are its inputs."""

    unit: Unit
    way: Way


class ForwardCall(UnitCall):
    """Forward: ``gave`` are its outputs."""


class BackwardCall(UnitCall):
    """On the way back: behind its inputs stand its outputs' gradients; ``gave`` are its inputs' gradients."""


@dataclass(frozen=True, eq=False)
class LayerCall(Call):
    """A layer is called whose parts are the units: ``given`` are its inputs, and ``path`` where it is."""

    path: str
    way: LayerWay


class LayerForwardCall(LayerCall):
    """Forward: ``gave`` are its outputs."""


class LayerBackwardCall(LayerCall):
    """On the way back, as of a unit."""


@dataclass(frozen=True)
class Move:
    """From the layer that was traced to another of its kind, by their paths."""

    traced: str
    here: str


class StreamedLayers:
    """Has templates answer for the units of a model, each of which finds its weights at the host."""

    def __init__(
        self,
        model: keras.Model,
        places: Sequence[BlockPlace],
        units: Units,
        host: Host,
        learned: Trained,
        *,
        dtype: str,
        portable: bool,
    ) -> None:
        """``places`` are the graph's layers."""
        self.units = units
        self.host = host
        self.portable = portable
        self.random: StepRandomness | None = None
        self.templates: list[Template] = []
        self._of: dict[str, Template] = {}
        self._tracing: _Tracing | None = None
        self._watching: list[Use] | None = None
        native = dict(named_layers(model))
        for unit in units.streamed:
            layer = native[unit.path]
            if not isinstance(layer, Block):
                raise EnvironmentFault(
                    f"training.execution: block {unit.place.block.kind!r} has a TensorFlow half that cannot be "
                    "streamed; derive it from zoo_tf.blocks.base.Block"
                )
            self._of[unit.path] = self._template(unit, learned, dtype)
            layer.set_host(partial(self._answer, unit))
        self._by_path = {unit.path: unit for unit in units.streamed}
        self._layer_ways: list[LayerWay] = []
        for place in places:
            layer = native[place.path]
            if isinstance(layer, Block) and self._is_parted(place.path):
                layer.set_host(partial(self._answer_layer, place, layer))

    @property
    def traces(self) -> int:
        """How often a unit's layer was traced, all units of a kind together."""
        return sum(template.traces for template in self.templates)

    def template(self, unit: Unit) -> Template:
        """What computes for a unit."""
        return self._of[unit.path]

    def unit(self, unit: Unit, at: Move | None) -> Unit:
        """The unit itself, or the one in its place in another layer of the kind."""
        return unit if at is None else self._by_path[at.here + unit.path[len(at.traced) :]]

    def keys(self, paths: Sequence[str], keys: tf.Tensor | None) -> tf.Tensor:
        """The keys of some dropouts, of those of all paths; none are asked for where nothing is learned."""
        if keys is None or self.random is None or not paths:
            return _no_keys(len(paths))
        places = tuple(self.random.paths.index(path) for path in paths)
        return tf.raw_ops.GatherV2(params=keys, indices=_integers(places), axis=_integers(0))

    def trace(self, run: Callable[..., Any], signature: Sequence[Any], within: str | None = None) -> Program:
        """A program of what ``run`` does, in which units are called, or those ``within`` a layer."""
        around, self._tracing = self._tracing, _Tracing(self, within)
        try:
            return Program(run, signature, self._tracing.calls)
        finally:
            self._tracing = around

    def anchor(self) -> tf.Tensor:
        """What a tape has to watch for the units to learn, while it traces: their weights are not there."""
        assert self._tracing is not None
        self._tracing.anchor = tf.zeros(())
        return self._tracing.anchor

    @contextlib.contextmanager
    def watched(self, uses: list[Use], random: StepRandomness) -> Iterator[None]:
        """Note what the units' dropouts do in runs operation by operation, with these masks."""
        before, self.random, self._watching = self.random, random, uses
        try:
            yield
        finally:
            self.random, self._watching = before, None

    def way(self, place: BlockPlace, layer: Block, call: Arguments, training: bool | None) -> LayerWay:
        """How a layer in parts is called, which is traced once for all of its kind."""
        parts = {
            unit.path[len(place.path) :]: self.template(unit)
            for unit in self.units.streamed
            if unit.path.startswith(f"{place.path}.")
        }
        key = (place.block, place.inputs, parts, call.key, training)
        for way in self._layer_ways:
            if way.key == key:
                return way
        self._layer_ways.append(LayerWay(self, key, place.path, layer, call, training))
        return self._layer_ways[-1]

    def _answer(
        self, unit: Unit, args: tuple[Any, ...], kwargs: Mapping[str, Any], training: bool | None
    ) -> Any:
        if self._tracing is not None and not tf.executing_eagerly():
            return self._tracing.call(unit, args, kwargs, training)
        template = self.template(unit)
        said = {} if training is None else {"training": training}
        now = None if self.random is None else self.random.now
        paths = [unit.path + inner for inner, _ in template.dropouts]
        keys = None if now is None else Keys(self.keys(paths, now.keys), now.portable)
        with (
            self.host.weights(unit) as weights,
            template.drawing(keys, (0,) * len(template.dropouts)),
            template.recorded(unit.path, recording_now(), self._watching),
        ):
            template.load(unit.path, weights)
            return template.layer(*args, **kwargs, **said)

    def _answer_layer(
        self,
        place: BlockPlace,
        layer: Block,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        training: bool | None,
    ) -> Any:
        tracing = self._tracing
        if tracing is not None and not tf.executing_eagerly() and tracing.within != place.path:
            return tracing.call_layer(place, layer, args, kwargs, training)
        host = layer.set_host(None)
        try:
            return layer(*args, **kwargs, **({} if training is None else {"training": training}))
        finally:
            layer.set_host(host)

    def _is_parted(self, path: str) -> bool:
        """Whether units are parts of a layer, and have all its weights."""
        inside = f"{path}."
        is_parted = any(unit.path.startswith(inside) for unit in self.units.streamed)
        return is_parted and not any(name.startswith(inside) for name in self.units.resident)

    def _template(self, unit: Unit, learned: Trained, dtype: str) -> Template:
        start = len(unit.path)
        leaves = frozenset(name[start:] for name in unit.parameters if name in learned.factors)
        inside = (path[start:] for path in learned.fixed if f"{path}.".startswith(f"{unit.path}."))
        fixed = frozenset(inside)
        key = (unit.place.block, unit.place.inputs, leaves, fixed)
        for template in self.templates:
            if template.key == key:
                return template
        self.templates.append(Template(unit, leaves, fixed, dtype=dtype, portable=self.portable))
        return self.templates[-1]


class LayerWay:
    """One way to call a layer whose parts are the units: a pass forward, and one forward again and back.

    They are traced with the layer at ``path``, and serve all of its kind: as of a whole unit, only inputs are kept.
    """

    def __init__(
        self,
        layers: StreamedLayers,
        key: object,
        path: str,
        layer: Block,
        call: Arguments,
        training: bool | None,
    ) -> None:
        self.key = key
        self.path = path
        self._layers = layers
        self._layer = layer
        self._call = call
        self._said = {} if training is None else {"training": training}
        found = [(inner, each) for inner, each in walk(path, layer, set()) if isinstance(each, Dropout)]
        self._dropouts = [each for _, each in found]
        self._inner = [inner[len(path) :] for inner, _ in found]
        self.floats = call.floats
        self._signature = [tf.TensorSpec((len(found), 2), tf.int64), *call.given]
        with tf.init_scope():  # Not within the trace that met this call.
            self.forward = layers.trace(self._run, self._signature, within=path)
        self._backward: Program | None = None

    @property
    def backward(self) -> Program:
        """Gives the gradients of what is given in floats."""
        if self._backward is None:
            signature = [*self._signature, *self.gave]
            self._backward = self._layers.trace(self._differentiate, signature, within=self.path)
        return self._backward

    def paths_at(self, path: str) -> list[str]:
        """The dropouts of a layer of this kind."""
        return [path + inner for inner in self._inner]

    def pack(self, outputs: Sequence[tf.Tensor]) -> Any:
        """The outputs as the layer gives them."""
        return packed(self._output, outputs)

    def _run(self, keys: tf.Tensor, *given: tf.Tensor) -> list[tf.Tensor]:
        args, kwargs = self._call.unpack(given)
        before = [dropout.draw for dropout in self._dropouts]
        for index, dropout in enumerate(self._dropouts):
            dropout.set_draw(Drawer(Keys(keys, self._layers.portable), index))
        try:
            output = self._layer(*args, **kwargs, **self._said)
        finally:
            for dropout, draw in zip(self._dropouts, before, strict=True):
                dropout.set_draw(draw)
        found = [leaf for leaf in tf.nest.flatten(output) if leaf is not None]
        self._output = tf.nest.map_structure(lambda leaf: None if leaf is None else True, output)
        self.gave = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in found]
        return found

    def _differentiate(self, keys: tf.Tensor, *given: tf.Tensor) -> list[tf.Tensor]:
        count = len(given) - len(self.gave)
        given, from_outputs = given[:count], given[count:]
        floats = [given[index] for index in self.floats]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*floats, self._layers.anchor()])
            outputs = self._run(keys, *given)
        found = tape.gradient(outputs, floats, list(from_outputs), tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(each) for each in found]


class _Tracing:
    """Notes the calls of units while a pass is traced, forward and back."""

    def __init__(self, layers: StreamedLayers, within: str | None) -> None:
        self.within = within
        self.calls: list[Call] = []
        self.anchor: tf.Tensor | None = None
        self._layers = layers
        self._uses: dict[str, Uses] = {}

    def call(
        self, unit: Unit, args: tuple[Any, ...], kwargs: Mapping[str, Any], training: bool | None
    ) -> Any:
        """What the unit gives: stand-ins, whose gradients are stand-ins too."""
        template = self._layers.template(unit)
        before = self._uses.get(unit.path, (0,) * len(template.dropouts))
        call = specs_of(args, kwargs)
        way = template.way(call, training, before)
        self._uses[unit.path] = way.uses_after
        learns = bool(template.learned or template.statistics)
        kinds = (partial(kind, unit=unit, way=way) for kind in (ForwardCall, BackwardCall))
        return self._stand_in(way, call.tensors(args, kwargs), learns, *kinds)

    def call_layer(
        self,
        place: BlockPlace,
        layer: Block,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        training: bool | None,
    ) -> Any:
        """The same of a layer whose parts are the units."""
        call = specs_of(args, kwargs)
        way = self._layers.way(place, layer, call, training)
        kinds = (partial(kind, path=place.path, way=way) for kind in (LayerForwardCall, LayerBackwardCall))
        return self._stand_in(way, call.tensors(args, kwargs), True, *kinds)

    def _stand_in(
        self,
        way: Way | LayerWay,
        tensors: Sequence[tf.Tensor],
        learns: bool,
        forward: Callable[..., Call],
        backward: Callable[..., Call],
    ) -> Any:
        @tf.custom_gradient
        def stand_in(*given: tf.Tensor) -> Any:
            inputs = given[: len(tensors)]
            outputs = [_placeholder(spec) for spec in way.gave]
            self.calls.append(forward(inputs, outputs))

            def grad(*gradients: tf.Tensor, variables: Any = None) -> list[tf.Tensor | None]:
                found = {index: _placeholder(inputs[index]) for index in way.floats}
                self.calls.append(backward((*inputs, *gradients), [*found.values()]))
                return [found.get(index) for index in range(len(given))]

            return outputs, grad

        anchor = [self.anchor] if learns and self.anchor is not None else []
        return way.pack(stand_in(*tensors, *anchor))


@cache
def _no_keys(count: int) -> tf.Tensor:
    with tf.init_scope():  # Whoever asks first may be tracing.
        return tf.zeros((count, 2), tf.int64)


@cache
def _integers(values: tuple[int, ...] | int) -> tf.Tensor:
    """As a tensor, which takes as long to make as to use."""
    with tf.init_scope():
        return tf.constant(values, tf.int32)


def _placeholder(like: tf.TensorSpec | tf.Tensor) -> tf.Tensor:
    return tf.compat.v1.placeholder(like.dtype, like.shape)
