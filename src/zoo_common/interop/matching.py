"""Which of a file's tensors are which of a model's weights: told by names and shapes, before a value is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.foreign.names import ModelNames, NameTable, Repeat, Row
from zoo_spec.foreign.transforms import Shape

FLOATS = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Taken:
    """Weights that are there: a row of the table, and what its foreign names are called in the file."""

    row: Row
    given: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """Weights of a row that are not there: names that are missing, or a line on what does not fit."""

    row: Row
    missing: tuple[str, ...] = ()
    line: str = ""


@dataclass
class Match:
    """What became of each name; ``given`` is how the file spells names that are current.

    ``faults`` are of the body, where nothing can stand in for what is missing; ``new`` are weights that the file
    lacks and the model may begin anew, ``left`` are tensors of the file that the model has no place for, each with
    the reason. ``unknown`` are those that belong to no model of the family; ``strange`` those of them that stand
    among the body's. ``repeats`` are given ones, whose values must follow from weights.
    """

    given: Mapping[str, str]
    taken: list[Taken] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lacking: list[Fault] = field(default_factory=list)
    new: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    repeats: list[tuple[Repeat, str]] = field(default_factory=list)

    @property
    def takes_of_the_body(self) -> bool:
        """Whether anything of the backbone is there."""
        return any(each.row.head is None for each in self.taken)


def match(
    table: NameTable, names: ModelNames, shapes: Mapping[str, Shape], entries: Mapping[str, Entry]
) -> Match:
    """Match a file's entries with a model's weights; ``names`` is ``table``'s for that model and these names."""
    found = Match({table.current(name): name for name in entries})
    found.twice = [name for name in entries if name not in found.given.values()]
    ties = {
        repeat.of: repeat.foreign
        for repeat in names.repeats
        if repeat.value is None and repeat.foreign in found.given
    }
    tried = [_tried(row, found.given, ties, shapes, entries) for row in names.rows]
    unfit_heads = {each.row.head for each in tried if isinstance(each, Fault)} - {None}
    for each in tried:
        if isinstance(each, Fault):
            (found.lacking if _may_be_new(each) else found.faults).append(each)
        elif each.row.head in unfit_heads:
            _begin_anew(found, each.row, "the rest of its head does not fit", entries, shapes)
        else:
            found.taken.append(each)
    for fault in found.lacking:
        why = "the file has none" if fault.missing else fault.line
        _begin_anew(found, fault.row, why, entries, shapes)
    _account(found, table, names)
    return found


def _tried(
    row: Row,
    given: Mapping[str, str],
    ties: Mapping[str, str],
    shapes: Mapping[str, Shape],
    entries: Mapping[str, Entry],
) -> Taken | Fault:
    theirs = row.foreign
    if len(theirs) == 1 and theirs[0] not in given and row.canonical[0] in ties:
        theirs = (ties[row.canonical[0]],)
    missing = tuple(name for name in theirs if name not in given)
    if missing:
        return Fault(row, missing)
    called = ", ".join(theirs)
    there = [entries[given[name]] for name in theirs]
    wrong = [each.dtype for each in there if each.dtype not in FLOATS]
    if wrong:
        return Fault(row, line=f"{called} holds {wrong[0]}, which is no float: a quantized or damaged file")
    try:
        read = row.transform.read_shapes(tuple(each.shape for each in there))
    except ValueError as error:
        return Fault(row, line=f"{called} {error}")
    for name, shape in zip(row.canonical, read, strict=True):
        if shape != shapes[name]:
            sizes = f"{list(shape)}; this model has {list(shapes[name])}"
            return Fault(row, line=f"{called} gives {name} the shape {sizes}")
    return Taken(row, tuple(given[name] for name in theirs))


def _may_be_new(fault: Fault) -> bool:
    """A head may be new; of the body, what some files lack, where it is missing and does not merely not fit."""
    return fault.row.head is not None or (fault.row.optional and not fault.line)


def _begin_anew(
    found: Match, row: Row, why: str, entries: Mapping[str, Entry], shapes: Mapping[str, Shape]
) -> None:
    found.new.update(dict.fromkeys(row.canonical, why))
    for name in row.foreign:
        if name in found.given:
            called = found.given[name]
            here = " and ".join(str(list(shapes[each])) for each in row.canonical)
            found.left[called] = f"a head of another size: {list(entries[called].shape)} there, {here} here"


def _account(found: Match, table: NameTable, names: ModelNames) -> None:
    """Say of each name that is not taken why."""
    used = {name for taken in found.taken for name in taken.given}
    used |= {found.given[name] for fault in found.faults for name in fault.row.foreign if name in found.given}
    repeats = {repeat.foreign: repeat for repeat in names.repeats}
    # What names of the body begin with.
    scopes = {_scope(name) for row in names.rows if row.head is None for name in row.foreign}
    for name, called in found.given.items():
        if called in used or called in found.left:
            continue
        if name in repeats:
            found.repeats.append((repeats[name], called))
            continue
        if table.is_unused(name):
            found.left[called] = "nothing reads it"
            continue
        found.unknown.append(called)
        place = table.place(name)
        if place is not None and (place.optional or place.head not in (None, *names.heads)):
            found.left[called] = "the task does not use it"
        elif _scope(name) in scopes:
            found.strange.append(called)
        else:
            found.left[called] = "no model of this family has it"


def _scope(name: str) -> str:
    return name.replace("/", ".").partition(".")[0]


class Renamed(WeightSource):
    """A file's tensors as a model's weights by canonical name, each read when it is asked for."""

    def __init__(self, source: WeightSource, taken: Collection[Taken]) -> None:
        self._source = source
        self._owners = {
            name: (each, index) for each in taken for index, name in enumerate(each.row.canonical)
        }
        self.entries = {name: entry for each in taken for name, entry in _entries(each, source)}

    def read(self, name: str) -> Array:
        """The weight, of the dtype that the file has."""
        taken, index = self._owners[name]
        arrays = tuple(self._source.read(given) for given in taken.given)
        found = taken.row.transform.read(arrays)[index]
        if found.size < sum(array.size for array in arrays):
            return np.array(found)  # A part, which would keep the whole.
        return np.ascontiguousarray(found).reshape(found.shape)


def _entries(taken: Taken, source: WeightSource) -> Iterator[tuple[str, Entry]]:
    there = [source.entries[name] for name in taken.given]
    shapes = taken.row.transform.read_shapes(tuple(each.shape for each in there))
    for name, shape in zip(taken.row.canonical, shapes, strict=True):
        yield name, Entry(there[0].dtype, shape)
