"""The units of a model: what answers for its layers, and the passes that are traced over them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from zoo_common.streaming import Host
from zoo_spec.errors import EnvironmentFault
from zoo_spec.graph import Unit, Units
from zoo_spec.trained import Trained
from zoo_tf.blocks.base import Block, named_layers, recording_now
from zoo_tf.dropouts import Use
from zoo_tf.randomness import Keys, StepRandomness
from zoo_tf.streaming_program import Call, Program
from zoo_tf.streaming_units import Template, Uses, Way


@dataclass(frozen=True, eq=False)
class UnitCall(Call):
    """A unit is called: ``given`` are its inputs."""

    unit: Unit
    way: Way


class ForwardCall(UnitCall):
    """Forward: ``gave`` are its outputs."""


class BackwardCall(UnitCall):
    """On the way back: behind its inputs stand its outputs' gradients; ``gave`` are its inputs' gradients."""


class StreamedLayers:
    """Has templates answer for the units of a model, each of which finds its weights at the host."""

    def __init__(
        self, model: keras.Model, units: Units, host: Host, learned: Trained, *, dtype: str, portable: bool
    ) -> None:
        self.units = units
        self.host = host
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
            self._of[unit.path] = self._template(unit, learned, dtype, portable)
            layer.set_host(partial(self._answer, unit))

    @property
    def traces(self) -> int:
        """How often a unit's layer was traced, all units of a kind together."""
        return sum(template.traces for template in self.templates)

    def template(self, unit: Unit) -> Template:
        """What computes for a unit."""
        return self._of[unit.path]

    def keys(self, unit: Unit, keys: tf.Tensor | None) -> tf.Tensor:
        """The keys of a unit's dropouts, of those of all paths; none are asked for where nothing is learned."""
        dropouts = self.template(unit).dropouts
        if keys is None or self.random is None:
            return tf.zeros((len(dropouts), 2), tf.int64)
        places = [self.random.paths.index(unit.path + inner) for inner, _ in dropouts]
        return tf.gather(keys, tf.constant(places, tf.int32))

    def trace(self, run: Callable[..., Any], signature: Sequence[Any]) -> Program:
        """A program of what ``run`` does, in which units are called."""
        self._tracing = _Tracing(self)
        try:
            return Program(run, signature, self._tracing.calls)
        finally:
            self._tracing = None

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

    def _answer(
        self, unit: Unit, args: tuple[Any, ...], kwargs: Mapping[str, Any], training: bool | None
    ) -> Any:
        if self._tracing is not None and not tf.executing_eagerly():
            return self._tracing.call(unit, args, kwargs, training)
        template = self.template(unit)
        said = {} if training is None else {"training": training}
        now = None if self.random is None else self.random.now
        keys = None if now is None else Keys(self.keys(unit, now.keys), now.portable)
        with (
            self.host.weights(unit) as weights,
            template.drawing(keys, (0,) * len(template.dropouts)),
            template.recorded(unit.path, recording_now(), self._watching),
        ):
            template.load(unit.path, weights)
            return template.layer(*args, **kwargs, **said)

    def _template(self, unit: Unit, learned: Trained, dtype: str, portable: bool) -> Template:
        start = len(unit.path)
        leaves = frozenset(name[start:] for name in unit.parameters if name in learned.factors)
        inside = (path[start:] for path in learned.fixed if f"{path}.".startswith(f"{unit.path}."))
        fixed = frozenset(inside)
        key = (unit.place.block, unit.place.inputs, leaves, fixed)
        for template in self.templates:
            if template.key == key:
                return template
        self.templates.append(Template(unit, leaves, fixed, dtype=dtype, portable=portable))
        return self.templates[-1]


class _Tracing:
    """Notes the calls of units while a pass is traced, forward and back."""

    def __init__(self, layers: StreamedLayers) -> None:
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
        way = template.way(args, kwargs, training, before)
        self._uses[unit.path] = way.uses_after

        @tf.custom_gradient
        def stand_in(*given: tf.Tensor) -> Any:
            inputs = given[: len(tensors)]
            outputs = [_placeholder(spec) for spec in way.gave]
            self.calls.append(ForwardCall(inputs, outputs, unit, way))

            def grad(*gradients: tf.Tensor, variables: Any = None) -> list[tf.Tensor | None]:
                found = {index: _placeholder(inputs[index]) for index in way.floats}
                self.calls.append(BackwardCall((*inputs, *gradients), [*found.values()], unit, way))
                return [found.get(index) for index in range(len(given))]

            return outputs, grad

        tensors = [leaf for leaf in tf.nest.flatten((tuple(args), dict(kwargs))) if tf.is_tensor(leaf)]
        learns = self.anchor is not None and (template.learned or template.statistics)
        return way.pack(stand_in(*tensors, *([self.anchor] if learns else [])))


def _placeholder(like: tf.TensorSpec | tf.Tensor) -> tf.Tensor:
    return tf.compat.v1.placeholder(like.dtype, like.shape)
