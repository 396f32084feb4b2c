"""A model whose units have their weights only while they run: forward, and once more on the way back."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from zoo_common.allocation import give_back_what_is_free
from zoo_common.backend import Array
from zoo_common.streaming import Host
from zoo_spec.graph import Unit
from zoo_torch.blocks.rematerialize import keeping
from zoo_torch.randomness import Place, StepRandomness
from zoo_torch.streaming_again import SecondRun
from zoo_torch.streaming_turns import Turns

Given = Sequence[object]
Gradients = dict[str, Tensor]

_GIVES_BACK_AFTER = 16
"""Units. Each leaves gaps of about a megabyte in the heap, where small things outlive what lay beside them."""


@dataclass
class Lesson:
    """A unit in memory on the way back: its weights on the device, and for who changes them the host's arrays."""

    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    arrays: Mapping[str, Array]
    moment_arrays: Mapping[str, Array]
    gradients: Gradients = field(default_factory=dict)

    def add(self, gradients: Gradients) -> None:
        """Add a micro-batch's, in new tensors, for what autograd gives may be somebody else's too."""
        for name, gradient in gradients.items():
            before = self.gradients.get(name)
            self.gradients[name] = gradient if before is None else before + gradient


class Pupil(Protocol):
    """Who is given the gradients of each unit, as soon as they are whole."""

    def at_work(self, unit: StreamedUnit) -> AbstractContextManager[Lesson]:
        """The unit while its gradients are computed; they are learned when the context ends."""


class StreamedUnit:
    """The module of a unit in a model; between its runs the weights are on ``meta``, and take no memory."""

    def __init__(self, model: nn.Module, unit: Unit, learned: Collection[str]) -> None:
        self.unit = unit
        self.module = model.get_submodule(unit.path)
        self.learned = tuple(name for name in unit.parameters if name in learned)
        """The names of the weights that have gradients."""
        self.statistics = tuple(name for name, each in unit.parameters.items() if not each.trainable)
        """The names of what a training pass itself changes."""
        self._run = self.module.forward
        self.second = SecondRun(self.module, is_whole=bool(self.statistics))
        self._owners: dict[str, dict[str, Any]] = {}
        for name in unit.parameters:
            path, _, leaf = name.rpartition(".")
            owner = model.get_submodule(path)
            self._owners[name] = owner._parameters if leaf in owner._parameters else owner._buffers
        self._away = {name: owner[_leaf(name)] for name, owner in self._owners.items()}

    def run(self, weights: Mapping[str, Tensor], call: Call, given: Given) -> tuple[Tensor, ...]:
        """The module's outputs, computed with these weights."""
        for name, owner in self._owners.items():
            owner[_leaf(name)] = weights[name]
        try:
            return call.flat(self._run(*given[: call.positional], **call.named(given)))
        finally:
            for name, owner in self._owners.items():
                owner[_leaf(name)] = self._away[name]


@dataclass
class Call:
    """A call of a unit: how many of its inputs go by position, the others' names, and where dropout was."""

    unit: StreamedUnit
    positional: int
    names: tuple[str, ...]
    place: Place | None = None
    gave: tuple[str, ...] | None = None
    others: dict[int, object] = field(default_factory=dict)

    def named(self, given: Given) -> dict[str, object]:
        """The inputs that go by name."""
        return dict(zip(self.names, given[self.positional :], strict=True))

    def flat(self, outputs: Tensor | dict[str, Tensor]) -> tuple[Tensor, ...]:
        """The outputs one after the other."""
        if isinstance(outputs, Tensor):
            return (outputs,)
        self.gave = tuple(outputs)
        return tuple(outputs.values())

    def as_given(self, outputs: tuple[Tensor, ...]) -> Tensor | dict[str, Tensor]:
        """The outputs as the module gives them."""
        return outputs[0] if self.gave is None else dict(zip(self.gave, outputs, strict=True))


class Streams:
    """Brings the weights of a host into a model, a unit at a time, for all micro-batches that go through it."""

    def __init__(
        self,
        model: nn.Module,
        host: Host,
        learned: Collection[str],
        device: torch.device,
        *,
        keeps: bool = False,
    ) -> None:
        """``keeps`` what a unit's gradients need while they are computed, in place of computing some of it again.

        And what the way back leaves free, for the updates.
        """
        self.host = host
        self.keeps = keeps
        self.device = device
        self.turns = Turns()
        self.pupil: Pupil | None = None
        self.units = [StreamedUnit(model, unit, learned) for unit in host.units.streamed]
        self.anchor = torch.zeros((), device=device, requires_grad=True)
        self._visit: _Visit | None = None
        self._last_way, self._since = "", 0
        self._calls: Counter[str] = Counter()
        self._early: dict[str, Gradients] = {}
        for index, unit in enumerate(self.units):
            unit.module.forward = _Entry(weakref.ref(self), index)

    @property
    def random(self) -> StepRandomness | None:
        """What dropout draws from in training."""
        return self.turns.random

    def learn(self, pupil: Pupil, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do the work of each micro-batch side by side; gradients of units go to ``pupil``."""
        self.pupil = pupil
        self._calls.clear()
        self._early.clear()
        try:
            return self.turns.side_by_side(works)
        except BaseException as error:
            self._leave(error)
            raise
        finally:
            self.pupil = None

    def call(self, unit: StreamedUnit, *args: object, **kwargs: object) -> Tensor | dict[str, Tensor]:
        """The unit's outputs; only its inputs are kept for the way back."""
        call, given = Call(unit, len(args), tuple(kwargs)), (*args, *kwargs.values())
        if not torch.is_grad_enabled():
            return call.as_given(self.forward(call, given))
        if not _on_the_way_back():
            self._calls[unit.unit.path] += 1
        return call.as_given(_Through.apply(self, call, self.anchor if unit.learned else None, *given))

    def forward(self, call: Call, given: Given) -> tuple[Tensor, ...]:
        """Run a unit."""
        unit = call.unit
        with self._visiting(("forward", unit.unit.path), self._reading(unit)) as weights:
            if unit.module.training and self.random is not None:
                call.place = self.random.place()
            return unit.run(weights, call, given)

    def backward(
        self, call: Call, given: Given, gradients: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> list[Tensor | None]:
        """Run a unit again; gives the gradients of its inputs, and its weights' to whoever learns."""
        unit = call.unit
        inputs = [
            value.detach().requires_grad_() if needs and isinstance(value, Tensor) else value
            for value, needs in zip(given, needed, strict=True)
        ]
        with self._visiting(("backward", unit.unit.path), self._teaching(unit)) as lesson:
            leaves = dict(lesson.weights)
            leaves |= {name: leaves[name].detach().requires_grad_() for name in unit.learned}
            with torch.enable_grad(), keeping(self.keeps):
                outputs = unit.second.outputs(lambda: self._again(call, leaves, inputs))
            roots = [
                (output, gradient)
                for output, gradient in zip(outputs, gradients, strict=True)
                if gradient is not None and output.requires_grad
            ]
            wanted = [value for value, needs in zip(inputs, needed, strict=True) if needs]
            found = torch.autograd.grad(
                [output for output, _ in roots],
                [*wanted, *(leaves[name] for name in unit.learned)],
                [gradient for _, gradient in roots],
                allow_unused=True,
            )
            own = zip(unit.learned, found[len(wanted) :], strict=True)
            lesson.add({name: laid_out(gradient, leaves[name]) for name, gradient in own})
        of_inputs = iter(found)
        return [next(of_inputs) if needs else None for needs in needed]

    def tensor(self, array: Array) -> Tensor:
        """An array of the host's on the device: itself, where that is the CPU."""
        tensor = torch.from_numpy(array)
        # Even where it has nothing to do, ``to`` lets other threads run first.
        return tensor if self.device.type == "cpu" else tensor.to(self.device)

    def lesson(self, weights: Mapping[str, Array], moments: Mapping[str, Array]) -> Lesson:
        """A unit that the host has in memory."""
        return Lesson(
            {name: self.tensor(array) for name, array in weights.items()},
            {name: self.tensor(array) for name, array in moments.items()},
            weights,
            moments,
        )

    def give_back(self, lesson: Lesson) -> None:
        """Have the host's arrays be what the weights and moments are on the device now."""
        _copy_back(lesson.weights, lesson.arrays, self.device)
        _copy_back(lesson.moments, lesson.moment_arrays, self.device)

    @contextmanager
    def on_device(self, arrays: Mapping[str, Array]) -> Iterator[dict[str, Tensor]]:
        """The host's arrays as tensors, and then what became of these in the arrays."""
        tensors = {name: self.tensor(array) for name, array in arrays.items()}
        yield tensors
        _copy_back(tensors, arrays, self.device)

    def _again(self, call: Call, leaves: Mapping[str, Tensor], given: Given) -> tuple[Tensor, ...]:
        with self._at(call.place):
            return call.unit.run(leaves, call, given)

    @contextmanager
    def _reading(self, unit: StreamedUnit) -> Iterator[dict[str, Tensor]]:
        with self.host.weights(unit.unit) as arrays:
            weights = {name: self.tensor(array) for name, array in arrays.items()}
            # A training pass changes them on the way back, where they stay.
            yield weights | {name: weights[name].clone() for name in unit.statistics}

    @contextmanager
    def _teaching(self, unit: StreamedUnit) -> Iterator[Lesson]:
        assert self.pupil is not None
        path = unit.unit.path
        self._calls[path] -= self.turns.count
        if unit.learned and self._calls[path] <= 0:
            with self.pupil.at_work(unit) as lesson:
                yield lesson
                lesson.add(self._early.pop(path, {}))
            return
        with self.host.weights(unit.unit) as arrays:
            lesson = self.lesson(arrays, {})
            yield lesson
            if unit.learned:
                lesson.add(self._early.pop(path, {}))
                self._early[path] = lesson.gradients

    @contextmanager
    def _visiting(self, what: tuple[str, str], opening: AbstractContextManager[Any]) -> Iterator[Any]:
        self.turns.next()
        if self._visit is None:
            self._give_back(what[0])
            stack = ExitStack()
            self._visit = _Visit(what, stack, stack.enter_context(opening))
        visit = self._visit
        if visit.what != what:
            raise RuntimeError(f"micro-batches go different ways: one to {what}, others to {visit.what}")
        try:
            yield visit.content
        except BaseException as error:
            self._leave(error)
            raise
        visit.count += 1
        if visit.count == self.turns.count:
            self._visit = None
            visit.stack.close()

    def _give_back(self, way: str) -> None:
        """Have the system get back what is free at the turn, and again after some units: else depth takes memory."""
        turns = (self._last_way, way) == ("forward", "backward")
        if turns or self._since == _GIVES_BACK_AFTER:
            give_back_what_is_free()
            self._since = 0
        self._last_way = way
        self._since += 1

    def _leave(self, error: BaseException) -> None:
        """Let go of the unit that is in memory, because of an error."""
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.stack.__exit__(type(error), error, error.__traceback__)

    @contextmanager
    def _at(self, place: Place | None) -> Iterator[None]:
        if place is None or self.random is None:
            yield
            return
        here = self.random.place()
        self.random.go_to(place)
        try:
            yield
        finally:
            self.random.go_to(here)


@dataclass
class _Visit:
    """A unit that is in memory until every micro-batch has been through it."""

    what: tuple[str, str]
    stack: ExitStack
    content: Any
    count: int = 0


@dataclass(frozen=True)
class _Entry:
    """What stands in the place of a unit's ``forward``; the model does not hold what holds the model."""

    streams: weakref.ref[Streams]
    index: int

    def __call__(self, *args: object, **kwargs: object) -> Tensor | dict[str, Tensor]:
        streams = self.streams()
        assert streams is not None
        return streams.call(streams.units[self.index], *args, **kwargs)


class _Through(torch.autograd.Function):
    """A call of a unit, of which the inputs alone are kept."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, streams: Streams, call: Call, anchor: Tensor | None, *given: object
    ) -> tuple[Tensor, ...]:
        """``anchor`` has a gradient, so that the weights get theirs whether or not an input has one."""
        ctx.streams, ctx.call = streams, call
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*(value if isinstance(value, Tensor) else None for value in given))
        call.others = {index: value for index, value in enumerate(given) if not isinstance(value, Tensor)}
        return streams.forward(call, given)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        call: Call = ctx.call
        given = [call.others.get(index, value) for index, value in enumerate(ctx.saved_tensors)]
        of_inputs = ctx.streams.backward(call, given, gradients, ctx.needs_input_grad[3:])
        return (None, None, None, *of_inputs)


def laid_out(gradient: Tensor | None, parameter: Tensor) -> Tensor:
    """The gradient in memory as its parameter is, as autograd leaves it in ``grad``; None: zeros."""
    if gradient is None:
        return torch.zeros_like(parameter)
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _copy_back(tensors: Mapping[str, Tensor], arrays: Mapping[str, Array], device: torch.device) -> None:
    """Nothing to do on the CPU, where both are one memory."""
    if device.type != "cpu":
        for name, array in arrays.items():
            torch.from_numpy(array).copy_(tensors[name])


def _on_the_way_back() -> bool:
    """Whether a backward pass is at work, which runs a layer again that is recomputed as a whole."""
    return torch._C._current_graph_task_id() != -1


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
