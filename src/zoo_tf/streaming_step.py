"""A step over units: gradients go to the update as soon as they are there, or wait in files for their norm."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from zoo_common.backend import Array, Weights
from zoo_common.streaming import Slot
from zoo_spec.graph import Unit
from zoo_tf.optimizers import SMALL
from zoo_tf.streaming_layers import (
    BackwardCall,
    ForwardCall,
    LayerBackwardCall,
    LayerCall,
    Move,
    StreamedLayers,
    UnitCall,
)
from zoo_tf.streaming_optimizer import AT_ONCE, StreamedOptimizer, global_norm
from zoo_tf.streaming_program import Call, Given, Program
from zoo_tf.streaming_units import Template, Way, canonical, shared


class Pass:
    """One run of a program, whose micro-batches have these keys for their dropouts; backward it gathers gradients.

    What becomes of a unit's gradients, summed over micro-batches, is the subclass's to say.
    """

    def __init__(self, layers: StreamedLayers, program: Program, keys: Sequence[tf.Tensor | None]) -> None:
        self.layers = layers
        self._keys = keys
        self._left = Counter(_learning(layers, program.calls, None))
        self._gathered: dict[str, list[list[list[tf.Tensor]]]] = {}

    def perform(
        self, call: Call, given: Given, at: Move | None = None, *, again: bool = False
    ) -> list[list[tf.Tensor]]:
        """Make a call with its unit's weights in memory.

        For one within a layer, ``at`` says where, and ``again`` whether that layer is on the way back.
        """
        if isinstance(call, LayerCall):
            keys = [self.layers.keys(call.way.paths_at(call.path), each) for each in self._keys]
            is_back = isinstance(call, LayerBackwardCall)
            program = call.way.backward if is_back else call.way.forward
            inside = Move(call.way.path, call.path)
            arguments = [[key, *each] for key, each in zip(keys, given, strict=True)]
            for each in given:  # The program alone has them, and lets go of each after its last use.
                each.clear()
            return program.run(arguments, partial(self.perform, at=inside, again=is_back))
        assert isinstance(call, UnitCall)
        unit = self.layers.unit(call.unit, at)
        if isinstance(call, ForwardCall):
            with self.layers.host.weights(unit) as weights:
                self.layers.template(unit).load(unit.path, weights)
                runs = zip(self._keys_of(unit), given, strict=True)
                run = call.way.again if again else call.way.forward
                return [run(keys, each) for keys, each in runs]
        self._left[unit.path] -= 1
        return self.backward(unit, call.way, given, is_last=not self._left[unit.path])

    def backward(self, unit: Unit, way: Way, given: Given, *, is_last: bool) -> list[list[tf.Tensor]]:
        """Make a call on the way back; the last one of its unit has all its gradients."""
        with self.layers.host.weights(unit) as weights:
            found = self.gather(unit, way, given, weights)
            if is_last:
                self.take(unit, self.sums(unit))
        return found

    def take(self, unit: Unit, gradients: list[tf.Tensor]) -> None:
        """The gradients of a unit's learned leaves, in the layout of its variables."""

    def gather(
        self, unit: Unit, way: Way, given: Given, weights: Mapping[str, Array]
    ) -> list[list[tf.Tensor]]:
        """Gradients of what a call was given; those of the weights are kept, by micro-batch."""
        self.layers.template(unit).load(unit.path, weights)
        gathered = self._gathered.setdefault(unit.path, [[] for _ in self._keys])
        is_only = not self._left[unit.path] and not any(gathered)
        found = []
        for number, keys in enumerate(self._keys_of(unit)):
            floats, gradients = way.backward(keys, given[number])
            given[number].clear()
            found.append(floats)
            if is_only and number:  # Nothing else is to come between these sums.
                before = gathered[0].pop()
                gathered[0].append([old + new for old, new in zip(before, gradients, strict=True)])
            else:
                gathered[number].append(gradients)
        return found

    def sums(self, unit: Unit) -> list[tf.Tensor]:
        """A unit's gradients: those of its calls added up, then those of micro-batches, as a resident step does."""
        total: list[tf.Tensor] = []
        for calls in self._gathered.pop(unit.path):
            if calls:
                each = [tf.add_n(parts) if len(parts) > 1 else parts[0] for parts in zip(*calls, strict=True)]
                total = [old + new for old, new in zip(total, each, strict=True)] if total else each
        return total

    def _keys_of(self, unit: Unit) -> list[tf.Tensor]:
        paths = [unit.path + inner for inner, _ in self.layers.template(unit).dropouts]
        return [self.layers.keys(paths, keys) for keys in self._keys]


class GradientPass(Pass):
    """Keeps all gradients, by canonical name."""

    def __init__(self, layers: StreamedLayers, program: Program, keys: Sequence[tf.Tensor | None]) -> None:
        super().__init__(layers, program, keys)
        self.found: Weights = {}

    def take(self, unit: Unit, gradients: list[tf.Tensor]) -> None:
        """Keep them."""
        template = self.layers.template(unit)
        for leaf, gradient in zip(template.learned, gradients, strict=True):
            self.found[unit.path + leaf] = canonical(template.variables[leaf], gradient).numpy()


class StepPass(Pass):
    """Updates each unit with its gradients: at once, or in ``finish`` where they are clipped by their norm."""

    def __init__(
        self,
        layers: StreamedLayers,
        program: Program,
        keys: Sequence[tf.Tensor | None],
        optimizer: StreamedOptimizer,
    ) -> None:
        super().__init__(layers, program, keys)
        self._optimizer = optimizer
        self._reached = frozenset(self._left)
        self._waiting: list[Unit] = []
        self._statistics: dict[str, dict[str, Array]] = {}
        self.halves: dict[str, tf.Tensor] = {}
        """Half the squared norm of each weight's gradient, by canonical name."""

    def backward(self, unit: Unit, way: Way, given: Given, *, is_last: bool) -> list[list[tf.Tensor]]:
        """Make a call on the way back, and the update after the last one."""
        template = self.layers.template(unit)
        changes = template.learned or template.statistics
        if not is_last or not changes or self._optimizer.clips:
            with self.layers.host.weights(unit) as weights:
                found = self.gather(unit, way, given, weights)
                if is_last and changes:
                    self._wait(unit, template)
            return found
        with self.layers.host.state(unit) as slot:
            found = self.gather(unit, way, given, slot.weights)
            gradients = dict(zip(template.learned, self.sums(unit), strict=True))
            self._measure(unit, gradients)
            _store(unit, template, slot, _moved(template))
            update_unit(self._optimizer, slot, _in_torchs_layout(unit, template, gradients))
        return found

    def finish(self, names: Sequence[str]) -> tf.Tensor:
        """The global norm over these weights' gradients, after the updates that waited for it."""
        nothing = next(iter(self.halves.values())) * 0
        norm = global_norm([self.halves.get(name, nothing) for name in names])
        self._optimizer.clip(norm)
        for unit in self.layers.units.streamed:
            template = self.layers.template(unit)
            if template.learned and unit.path not in self._reached:  # Weights decay all the same.
                with self.layers.host.state(unit) as slot:
                    zeros = {leaf: tf.zeros_like(template.variables[leaf].value) for leaf in template.learned}
                    update_unit(self._optimizer, slot, _in_torchs_layout(unit, template, zeros))
        for unit in reversed(self._waiting):
            with self.layers.host.spilled(unit) as slot:
                _store(unit, self.layers.template(unit), slot, self._statistics.pop(unit.path))
                update_unit(self._optimizer, slot, slot.gradients.items())
        return norm

    def _wait(self, unit: Unit, template: Template) -> None:
        """Keep the gradients until their norm is known."""
        gradients = dict(zip(template.learned, self.sums(unit), strict=True))
        self._measure(unit, gradients)
        self._statistics[unit.path] = _moved(template)
        kept = _in_torchs_layout(unit, template, gradients)
        self.layers.host.spill(unit, {name: np.asarray(gradient) for name, gradient in kept})
        self._waiting.append(unit)

    def _measure(self, unit: Unit, gradients: Mapping[str, tf.Tensor]) -> None:
        names = [unit.path + leaf for leaf in gradients]
        halves = self.layers.template(unit).halves(list(gradients.values()))
        self.halves |= zip(names, halves, strict=True)


def _learning(layers: StreamedLayers, calls: Iterable[Call], at: Move | None) -> Iterator[str]:
    """The paths of the units that a program calls on the way back, as often as it does."""
    for call in calls:
        if isinstance(call, LayerBackwardCall):
            yield from _learning(layers, call.way.backward.calls, Move(call.way.path, call.path))
        elif isinstance(call, BackwardCall):
            yield layers.unit(call.unit, at).path


def update_unit(
    optimizer: StreamedOptimizer, slot: Slot, gradients: Iterable[tuple[str, Array | tf.Tensor]]
) -> None:
    """Update weights and their moments; the gradients are in their layout.

    Large ones are updated where they are, one after the other, the rest in one call. To copy that back would take as
    long as to compute it.
    """
    few: dict[str, Array | tf.Tensor] = {}
    for name, gradient in gradients:
        size = math.prod(gradient.shape)
        if size <= (AT_ONCE if slot.takes else SMALL):
            few[name] = gradient
        else:
            tensor = shared(gradient) if isinstance(gradient, np.ndarray) else gradient
            optimizer.update(name, _places(optimizer, slot, name), tensor, of=size)
            del tensor
        del gradient
    old = {name: _places(optimizer, slot, name) for name in few}
    for name, new in (optimizer.updated(old, few) if few else {}).items():
        if slot.takes:
            slot.weights[name], *moments = new
            slot.moments.update(zip(_moments_of(optimizer, name), moments, strict=True))
        else:
            for place, value in zip(old[name], new, strict=True):
                np.copyto(place, value)


def _places(optimizer: StreamedOptimizer, slot: Slot, name: str) -> list[Array]:
    return [slot.weights[name], *(slot.moments[moment] for moment in _moments_of(optimizer, name))]


def _moments_of(optimizer: StreamedOptimizer, name: str) -> list[str]:
    return [f"{name}/{moment}" for moment in optimizer.moments]


def _in_torchs_layout(
    unit: Unit, template: Template, gradients: dict[str, tf.Tensor]
) -> Iterator[tuple[str, tf.Tensor]]:
    """The gradients by canonical name, each let go of when the next is asked for."""
    for leaf in template.learned:
        yield unit.path + leaf, canonical(template.variables[leaf], gradients.pop(leaf))


def _moved(template: Template) -> dict[str, Array]:
    """The statistics that the layer's last run in training left."""
    return {
        leaf: canonical(
            template.variables[leaf], tf.convert_to_tensor(template.variables[leaf].value)
        ).numpy()
        for leaf in template.statistics
    }


def _store(unit: Unit, template: Template, slot: Slot, statistics: Mapping[str, Array]) -> None:
    for leaf, value in statistics.items():
        np.copyto(slot.weights[unit.path + leaf], value)
