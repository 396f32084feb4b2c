"""The update of weights that lie in files: a unit's as soon as its gradients are whole, or once the norm is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from zoo_common.allocation import give_back_what_is_free
from zoo_common.backend import Array
from zoo_common.streaming import Host
from zoo_common.weights import WeightSource, as_source
from zoo_spec.training.optimizers import check_state
from zoo_torch.optimizers import Rule, clipping, norm_of, norm_parts, set_gradient
from zoo_torch.streaming_units import Gradients, Lesson, StreamedUnit, Streams


class StreamedOptimizer:
    """As ``Optimizer``, over the units of a host and resident parameters, whose moments are in its files too.

    ``names`` are those of all that is trained, in the model's order, in which the norm adds up.
    """

    def __init__(
        self, rule: Rule, streams: Streams, resident: Mapping[str, Tensor], names: Sequence[str]
    ) -> None:
        self.rule = rule
        self.streams = streams
        self.parameters = dict(resident)
        self.names = tuple(names)
        self.step = 0
        self._pass = _Pass(0.0)

    @property
    def host(self) -> Host:
        """Who has the files."""
        return self.streams.host

    def begin(self, rate: float) -> None:
        """A step begins, which updates by this rate."""
        self._pass = _Pass(rate)

    @contextmanager
    def at_work(self, unit: StreamedUnit) -> Iterator[Lesson]:
        """A unit whose gradients are computed, and which is updated at once unless they are to be clipped."""
        path = unit.unit.path
        if self.rule.spec.max_gradient_norm is None:
            with self.host.state(unit.unit) as slot:
                lesson = self.streams.lesson(slot.weights, slot.moments)
                yield lesson
                self._note(lesson.gradients)
                self._update(unit, lesson, lesson.gradients)
        else:
            with self.host.weights(unit.unit) as arrays:
                lesson = self.streams.lesson(arrays, {})
                yield lesson
                self._pass.statistics[path] = {name: lesson.weights[name].clone() for name in unit.statistics}
            self._note(lesson.gradients)
            self.host.spill(unit.unit, {name: each.cpu().numpy() for name, each in lesson.gradients.items()})
        self._pass.done.add(path)

    def apply(self, gradients: Mapping[str, Tensor | None], rate: float) -> Tensor:
        """Finish the step that began, as ``Optimizer.apply``: ``gradients`` are those of the resident parameters.

        A unit that no gradient came to has zeros. Where memory is limited, what the way back leaves free goes to the
        system, for now there are moments in memory.
        """
        if not self.streams.keeps:
            give_back_what_is_free()
        for unit in self.streams.units:
            if unit.learned and unit.unit.path not in self._pass.done:
                with self.at_work(unit) as lesson:
                    lesson.add({name: torch.zeros_like(lesson.weights[name]) for name in unit.learned})
        kept = {name: set_gradient(each, gradients[name]) for name, each in self.parameters.items()}
        self._note({name: each.grad for name, each in self.parameters.items()})
        norm = norm_of([self._pass.parts[name] for name in self.names])
        if self.rule.spec.max_gradient_norm is not None:
            scale = clipping(norm, self.rule.spec.max_gradient_norm)
            for name, each in self.parameters.items():
                each.grad = each.grad * scale if kept[name] else each.grad.mul_(scale)
            self._update_spilled(scale)
        for name, parameter in self.parameters.items():
            self._update_resident(name, parameter)
            parameter.grad = None
        self.step += 1
        return norm

    def state(self) -> WeightSource:
        """All moments by ``<canonical name>/<moment>``, read when they are asked for."""
        return self.host.stored_moments()

    def load_state(self, state: Mapping[str, Array]) -> None:
        """As ``Optimizer.load_state``."""
        source, wanted = as_source(state), self.host.stored_moments().entries
        check_state(
            {name: entry.shape for name, entry in wanted.items()},
            {name: entry.shape for name, entry in source.entries.items()},
        )
        self.host.import_moments(source)

    def _note(self, gradients: Gradients) -> None:
        parts = norm_parts(list(gradients.values()))
        self._pass.parts.update(zip(gradients, parts, strict=True))

    def _update_spilled(self, scale: Tensor) -> None:
        for unit in self.streams.units:
            if unit.learned:
                with self.host.spilled(unit.unit) as slot:
                    lesson = self.streams.lesson(slot.weights, slot.moments)
                    for name, value in self._pass.statistics[unit.unit.path].items():
                        lesson.weights[name].copy_(value)
                    gradients = {name: self.streams.tensor(each) for name, each in slot.gradients.items()}
                    self._update(unit, lesson, {name: each.mul_(scale) for name, each in gradients.items()})

    def _update(self, unit: StreamedUnit, lesson: Lesson, gradients: Gradients) -> None:
        weights = {name: lesson.weights[name] for name in unit.learned}
        self._learn(weights, gradients, lesson.moments)
        self.streams.give_back(lesson)

    def _update_resident(self, name: str, parameter: Tensor) -> None:
        """Update a parameter that is in memory, with as much of its moments at a time as there is room for."""
        weight, gradient = parameter.detach(), parameter.grad
        if not self.rule.spec.moments:
            self._learn({name: weight}, {name: gradient}, {})
        elif self.rule.is_elementwise:
            for piece in self.host.pieces(name):
                part = slice(piece.start, piece.stop)
                arrays = {f"{name}/{moment}": array for moment, array in piece.values.items()}
                with self.streams.on_device(arrays) as moments:
                    flat = weight.view(-1)[part], gradient.view(-1)[part]
                    self._learn({name: flat[0]}, {name: flat[1]}, moments)
        else:
            whole = self._whole_moments(name, weight)
            self._learn({name: weight}, {name: gradient}, whole)
            for piece in self.host.pieces(name):
                for moment, array in piece.values.items():
                    values = whole[f"{name}/{moment}"].view(-1)[piece.start : piece.stop]
                    torch.from_numpy(array).copy_(values)

    def _whole_moments(self, name: str, weight: Tensor) -> Gradients:
        whole = {f"{name}/{moment}": torch.empty_like(weight) for moment in self.rule.spec.moments}
        for piece in self.host.pieces(name):
            for moment, array in piece.values.items():
                whole[f"{name}/{moment}"].view(-1)[piece.start : piece.stop] = self.streams.tensor(array)
        return whole

    def _learn(self, weights: Gradients, gradients: Gradients, moments: Gradients) -> None:
        """One update of these weights, in place."""
        optimizer = self.rule.over(weights, moments)
        optimizer.step = self.step
        for name, weight in weights.items():
            weight.grad = gradients[name]
        optimizer.update(self._pass.rate)


class Collected:
    """Keeps the gradients of all units."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.gradients: Gradients = {}

    @contextmanager
    def at_work(self, unit: StreamedUnit) -> Iterator[Lesson]:
        """A unit whose gradients are computed."""
        with self.streams.host.weights(unit.unit) as arrays:
            lesson = self.streams.lesson(arrays, {})
            yield lesson
        self.gradients.update(lesson.gradients)


class _Pass:
    """What is known of a step while it is made."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.parts: dict[str, Tensor] = {}
        self.done: set[str] = set()
        self.statistics: dict[str, Gradients] = {}
