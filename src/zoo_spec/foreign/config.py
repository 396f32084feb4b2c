"""What another project's configuration says of a model: a table of its keys, read and written by the same rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from zoo_spec.errors import InputError

Config: TypeAlias = Mapping[str, JsonValue]
"""A configuration: keys of the source, plain values."""
Fields: TypeAlias = Mapping[str, JsonValue]
"""Fields of a spec's model or task."""


class Code(Protocol):
    """How a value is written there and here; each direction undoes the other."""

    def read(self, value: JsonValue) -> JsonValue:
        """Theirs to ours; ValueError, saying what could be read, where it is none of those."""
        ...

    def write(self, value: JsonValue) -> JsonValue:
        """Ours to theirs; ValueError for what they do not have."""
        ...


class Plain:
    """The same value in both."""

    def read(self, value: JsonValue) -> JsonValue:
        """As it is."""
        return value

    def write(self, value: JsonValue) -> JsonValue:
        """As it is."""
        return value


PLAIN = Plain()


@dataclass(frozen=True)
class Words:
    """Values that are called otherwise: pairs of theirs and ours. Of two that say the same, the first is written."""

    pairs: tuple[tuple[JsonValue, JsonValue], ...]

    def read(self, value: JsonValue) -> JsonValue:
        """Their word to ours."""
        for theirs, ours in self.pairs:
            if value == theirs and isinstance(value, bool) == isinstance(theirs, bool):
                return ours
        raise ValueError(f"is known as {', '.join(str(theirs) for theirs, _ in self.pairs)}")

    def write(self, value: JsonValue) -> JsonValue:
        """Our word to theirs."""
        for theirs, ours in self.pairs:
            if value == ours:
                return theirs
        raise ValueError(
            f"{value} has no name there, where there are {', '.join(str(each) for each, _ in self.pairs)}"
        )


@dataclass(frozen=True)
class Normally:
    """The standard deviation of initial values, which a family draws from a distribution of this ``kind``."""

    kind: str

    def read(self, value: JsonValue) -> JsonValue:
        """An initializer; none of spread 0 is one of zeros."""
        return {"kind": self.kind, "std": value} if value else {"kind": "zeros"}

    def write(self, value: JsonValue) -> JsonValue:
        """Its standard deviation, where it has one."""
        std = value.get("std") if isinstance(value, dict) else None
        return std if isinstance(std, float) else 0.02


ACTIVATIONS = Words(
    (
        ("gelu", "gelu_erf"),
        ("gelu_pytorch_tanh", "gelu_tanh"),
        ("gelu_new", "gelu_tanh"),
        ("gelu_fast", "gelu_tanh"),
        ("gelu_python", "gelu_erf"),
        ("relu", "relu"),
        ("silu", "silu"),
        ("swish", "silu"),
        ("sigmoid", "sigmoid"),
        ("tanh", "tanh"),
    )
)
"""What ``transformers`` calls activations."""


class Said(Protocol):
    """Keys that say fields of a model."""

    @property
    def usual(self) -> Config:
        """What each key means where it is left out."""
        ...

    def read(self, config: Config) -> Fields:
        """The fields; ``config`` has every key. ValueError, ``KEY is VALUE: why``, for what cannot be honoured."""
        ...

    def write(self, model: Fields) -> Config:
        """The keys that say these fields; ValueError where none can."""
        ...


@dataclass(frozen=True)
class Key:
    """A key, and the field that says the same."""

    theirs: str
    ours: str
    default: JsonValue
    code: Code = PLAIN

    @property
    def usual(self) -> Config:
        """Its default."""
        return {self.theirs: self.default}

    def read(self, config: Config) -> Fields:
        """The one field."""
        value = config[self.theirs]
        try:
            return {self.ours: self.code.read(value)}
        except ValueError as error:
            raise ValueError(f"{self.theirs} is {value!r}, and {error}") from None

    def write(self, model: Fields) -> Config:
        """The one key."""
        try:
            return {self.theirs: self.code.write(model[self.ours])}
        except ValueError as error:
            raise ValueError(f"model.{self.ours}: {error}") from None


@dataclass(frozen=True)
class Keys:
    """Keys that only together say fields; the two functions are as ``Said`` has them."""

    usual: Config
    reads: Callable[[Config], Fields]
    writes: Callable[[Fields], Config]

    def read(self, config: Config) -> Fields:
        """The fields."""
        return self.reads(config)

    def write(self, model: Fields) -> Config:
        """The keys."""
        return self.writes(model)


@dataclass(frozen=True)
class Only:
    """A key of which these values alone can be honoured; ``of`` are the tasks that it matters to, or all.

    Where it is left out it means the first of them, or ``usual`` where that is none of them.
    """

    key: str
    values: tuple[JsonValue, ...]
    why: str
    of: tuple[str, ...] = ()
    usual: tuple[JsonValue, ...] = ()

    def refusal(self, config: Config, task: str | None) -> str | None:
        """Why not, if not."""
        value = config.get(self.key, (self.usual or self.values)[0])
        if (self.of and task not in self.of) or any(_same(value, each) for each in self.values):
            return None
        return f"{self.key} is {value!r}: {self.why}"


def _same(one: JsonValue, other: JsonValue) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


@dataclass(frozen=True)
class TaskClass:
    """A class of the source's, and the kinds of task that it has the head of.

    ``read`` gives the task's fields, its kind among them, of a configuration; ``write`` the keys that say them.
    ``draws`` is what the class has beside and no model here: it begins with new values there.
    """

    architecture: str
    kinds: tuple[str, ...]
    read: Callable[[Config], Fields]
    write: Callable[[Fields], Config]
    keys: tuple[str, ...] = ()
    draws: str = ""


@dataclass(frozen=True)
class Reading:
    """What a configuration says: fields of the model, those keys that it leaves out, and those that nobody knows."""

    model: Fields
    left_out: Config
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class ConfigTable:
    """A family's configuration in one source; ``model_type`` is what the source calls the family.

    ``says`` are the keys that decide what is computed, ``training`` those that do not, such as rates of dropout;
    ``only`` the keys that are refused but for some values, and ``nothing`` those that say nothing of the model.
    ``tasks`` are the source's classes, the body's first. ``published``: what published configurations say
    where the default is another. ``authors``: fields that those who trained the weights had otherwise than the source
    computes, each with a line that says so. ``untied``: the fields of a model whose output is a matrix of its own,
    where a file has one that differs from the table that the configuration ties it to.
    """

    model_type: str
    says: tuple[Said, ...]
    training: tuple[Said, ...] = ()
    only: tuple[Only, ...] = ()
    nothing: frozenset[str] = frozenset()
    tasks: tuple[TaskClass, ...] = ()
    published: Config = field(default_factory=dict)
    authors: Mapping[str, tuple[JsonValue, str]] = field(default_factory=dict)
    untied: Fields = field(default_factory=dict)

    @property
    def usual(self) -> dict[str, JsonValue]:
        """Every key that says a field, with what it means where it is left out."""
        return {key: value for said in (*self.says, *self.training) for key, value in said.usual.items()}

    def usual_model(self) -> Fields:
        """The fields of a model of which nothing is said."""
        return {path: value for said in self.says for path, value in said.read(self.usual).items()}

    def known(self) -> set[str]:
        """Every key that the table has."""
        tasks = {key for task in self.tasks for key in task.keys}
        return {*self.usual, *(each.key for each in self.only), *self.nothing, *tasks}

    def read(self, config: Config, *, task: str | None = None) -> Reading:
        """The model's fields; raises InputError with everything that cannot be honoured, each by its key.

        ``task`` is the kind that it is read for.
        """
        usual = self.usual
        whole = {**usual, **config}
        problems = [line for only in self.only if (line := only.refusal(config, task)) is not None]
        fields: dict[str, JsonValue] = {}
        for said in (*self.says, *self.training):
            try:
                fields.update(said.read(whole))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise InputError("; ".join(problems))
        left_out = {
            key: value
            for said in self.says
            for key, value in said.usual.items()
            if value is not None and not said.usual.keys() & config.keys()
        }
        return Reading(fields, left_out, tuple(sorted(set(config) - self.known())))

    def write(self, model: Fields) -> dict[str, JsonValue]:
        """Every key that says a field; raises InputError where the source cannot say one."""
        written: dict[str, JsonValue] = {"model_type": self.model_type}
        problems = []
        for said in (*self.says, *self.training):
            try:
                written.update(said.write(model))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise InputError("; ".join(problems))
        return written

    def class_of(self, architectures: Collection[str]) -> TaskClass | None:
        """The first of the source's classes that the table has."""
        named = {each.architecture: each for each in self.tasks}
        return next((named[name] for name in architectures if name in named), None)

    def class_for(self, task: str) -> TaskClass | None:
        """The class that has the head of this kind of task."""
        return next((each for each in self.tasks if task in each.kinds), None)

    def differing(self, model: Fields, config: Config | None) -> Iterator[str]:
        """A line for each field that a configuration, or without one what is usual, has otherwise.

        Counts that it leaves out are not compared: weights' shapes tell most of them.
        """
        stated = self.published if config is None else config
        whole = {**self.usual, **stated}
        for said in self.says:
            is_told_by_shapes = not isinstance(said, Key) or isinstance(said.default, int)
            if is_told_by_shapes and not said.usual.keys() & stated.keys():
                continue
            try:
                there = said.read(whole)
            except ValueError as error:
                yield str(error)
                continue
            for path, value in there.items():
                here = model.get(path)
                if here != value and not _holds(here, value):
                    yield f"model.{path} is {here}, and {', '.join(said.usual)} there {value}"


def _holds(here: JsonValue, there: JsonValue) -> bool:
    """Whether a block has everything that is said of it."""
    return (
        isinstance(here, dict)
        and isinstance(there, dict)
        and all(
            key in here and (here[key] == value or _holds(here[key], value)) for key, value in there.items()
        )
    )
