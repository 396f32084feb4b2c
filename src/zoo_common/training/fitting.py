"""Which weights of another model a graph begins with: by name, those that fit and those that are made to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from zoo_common.log import LOG
from zoo_common.training.differences import leaves
from zoo_common.training.position_tables import PositionTable, position_tables, resized, square, stretched
from zoo_common.training.taking_over import dtype_of
from zoo_common.weights import Report, Row, WeightSource, start_of
from zoo_spec.arrays import Array
from zoo_spec.blocks.embedding import Embedding
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec, resolved_model
from zoo_spec.graph import Graph
from zoo_spec.initializers import Constant, Initializer, Ones, Zeros
from zoo_spec.models.base import Model
from zoo_spec.training import Training

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_TOKENS = ("input_ids", "decoder_input_ids")
_SHOWN = 8
_SHOWN_BY_SHAPES = re.compile(
    r"^kind$|initializer|dropout|size|channels|max_|num_(decoder_)?layers|^(inputs|outputs|bounds)\b"
)
"""Fields on which models may differ, as their weights' names and shapes then do; and those of training alone."""


@dataclass(frozen=True)
class Change:
    """How a tensor of another size is made to fit: ``make`` takes theirs, and ours as it was drawn."""

    note: str
    make: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Misfit:
    """Why it cannot be, and what to do."""

    remedy: str


Fit: TypeAlias = Change | Misfit | None


class Begun(WeightSource):
    """A model's own values, with those of ``taken`` from another source in their places, ``changes`` made to them."""

    def __init__(
        self, own: WeightSource, there: WeightSource, taken: Mapping[str, Change | None], dtype: str
    ) -> None:
        self.entries = own.entries
        self._own, self._there, self._taken, self._dtype = own, there, taken, dtype

    def read(self, name: str) -> Array:
        """The tensor; a half-width one of the other source is widened."""
        if name not in self._taken:
            return self._own.read(name)
        theirs, change = self._there.read(name).astype(self._dtype, copy=False), self._taken[name]
        return theirs if change is None else change.make(theirs, self._own.read(name).astype(self._dtype))


def fitted(
    spec: ExperimentSpec,
    graph: Graph,
    own: WeightSource,
    there: WeightSource,
    *,
    where: str,
    other: ExperimentSpec | None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> tuple[WeightSource, Report]:
    """What a spec's model begins with, which is ``own`` but for what ``there`` has, and a report of it.

    ``where`` is what the source is called, ``other`` its spec, if that is known; of the model's weights those that
    are not ``wanted`` are not taken. Raises InputError, with both shapes, where a weight of the model's own body does
    not fit, where none is there, and for tensors that are no weights.
    """
    training = spec.training
    fits = _Fits(graph, training, there, None if other is None else other.graph())
    rows: list[Row] = []
    taken: dict[str, Change | None] = {}
    problems: list[str] = []
    missing: list[str] = []
    table = graph.parameters()
    for name, parameter in table.items():
        shape, drawn = parameter.shape, drawn_by(parameter.initializer, training.seed)
        entry = there.entries.get(name)
        in_head = name.partition(".")[0] in graph.head
        if entry is None or not wanted(name):
            rows.append(Row("new", name, shape, drawn if wanted(name) else f"not asked for; {drawn}"))
            missing += [name] if wanted(name) and not in_head else []
        elif entry.dtype not in _FLOATS:
            problems.append(f"{name} is of {entry.dtype} there")
        elif (fit := fits.fit(name, shape, entry.shape)) is None:
            rows.append(Row("taken", name, shape, _widened(entry.dtype, training)))
            taken[name] = None
        elif isinstance(fit, Change):
            rows.append(Row("changed", name, shape, f"{list(entry.shape)} there; {fit.note}"))
            taken[name] = fit
        elif in_head:
            rows.append(Row("new", name, shape, f"{list(entry.shape)} there; {drawn}"))
        else:
            problems.append(
                f"{name} {list(entry.shape)} there, {list(shape)} here{fit.remedy and f' ({fit.remedy})'}"
            )
    if problems:
        raise InputError(f"{where} has other shapes: {_some(problems)}; give the model the same sizes")
    if not any(name.partition(".")[0] not in graph.head for name in taken):
        raise InputError(
            f"{where} has no weight of the model's body: that has {_some(list(table))}; there are "
            f"{_some(list(there))}"
        )
    rows += [Row("left", name, entry.shape) for name, entry in there.entries.items() if name not in table]
    if missing:
        LOG.warning(f"{where} lacks weights of the model's body, which are new: {_some(missing)}")
    notes = () if other is None else tuple(_otherwise(other.model, spec.model))
    for note in notes:
        LOG.warning(f"{where}: {note}")
    return Begun(own, there, taken, dtype_of(training)), Report(where, tuple(rows), notes)


def _otherwise(theirs: Model, ours: Model) -> Iterator[str]:
    """A sentence for each field by which the same weights compute something else, and whose value no shape shows."""
    found, wanted = (dict(leaves(resolved_model(model))) for model in (theirs, ours))
    for path in sorted(found.keys() & wanted.keys()):
        if found[path] != wanted[path] and not _SHOWN_BY_SHAPES.search(path):
            yield f"model.{path} is {found[path]} there, {wanted[path]} here, so these weights compute something else"


class _Fits:
    """Says of each weight whether it fits, and how it is made to."""

    def __init__(self, graph: Graph, training: Training, there: WeightSource, other: Graph | None) -> None:
        self._rules = training.fit_weights
        self._seed = training.seed
        self._positions = position_tables(graph)
        self._their_positions = {} if other is None else position_tables(other)
        self._vocabularies = {
            (table[0], entry.shape[0])
            for name, table in _token_tables(graph)
            if (entry := there.entries.get(name)) is not None and len(entry.shape) == 2
        }

    def fit(self, name: str, here: tuple[int, ...], there: tuple[int, ...]) -> Fit:
        """None where it fits as it is."""
        if name in self._positions and len(there) == 2 and here[1:] == there[1:]:
            return self._fit_positions(name, here[0], there[0])
        if here == there:
            return None
        if here[1:] == there[1:] and (here[0], there[0]) in self._vocabularies:
            return self._fit_vocabulary(here[0], there[0])
        return Misfit("")

    def _fit_vocabulary(self, here: int, there: int) -> Fit:
        if here < there:
            return Misfit(f"of a vocabulary of {there:,}; set model.vocab_size to {there} at least")
        if self._rules.vocabulary == "exact":
            return Misfit("training.fit_weights.vocabulary: extend draws the rows that are not there")
        return Change(f"{here - there:,} rows drawn by seed {self._seed}", _extended)

    def _fit_positions(self, name: str, here: int, there: int) -> Fit:
        ours = self._positions[name]
        theirs = self._their_positions.get(name) or (square(there) if ours.grid else ours)
        if here == there and (theirs in (ours, None)):
            return None
        rule = self._rules.positions
        if ours.grid is not None:
            if theirs is None or theirs.grid is None:
                return Misfit("which are no positions of a grid of patches")
            if rule == "interpolate":
                by = " by ".join(map(str, theirs.grid)), " by ".join(map(str, ours.grid))
                return Change(f"a grid of {by[0]} interpolated to {by[1]}", stretched(theirs.grid, ours.grid))
            return Misfit("training.fit_weights.positions: interpolate stretches the grid")
        if theirs is None or theirs.grid is not None:
            return Misfit("which are positions of a grid of patches")
        if rule == "resize":
            return Change(_resizing(theirs, ours, there, here, self._seed), resized(theirs, ours))
        return Misfit("training.fit_weights.positions: resize draws rows, or cuts them off")


def _resizing(theirs: PositionTable, ours: PositionTable, there: int, here: int, seed: int) -> str:
    more = (here - ours.offset) - (there - theirs.offset)
    what = f"{more:,} positions drawn by seed {seed}" if more > 0 else f"{-more:,} positions cut off"
    return what if more else f"positions begin at row {ours.offset}, not {theirs.offset}"


def _extended(theirs: Array, drawn: Array) -> Array:
    drawn[: len(theirs)] = theirs
    return drawn


def _token_tables(graph: Graph) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tables that token ids are looked up in: their names and shapes."""
    tokens = [graph.inputs[name] for name in _TOKENS if name in graph.inputs]
    for place in graph.places():
        if isinstance(place.block, Embedding) and any(place.inputs["x"] is spec for spec in tokens):
            yield f"{place.path}.weight", (place.block.rows, place.block.size)


def _widened(dtype: str, training: Training) -> str:
    return "" if dtype == dtype_of(training) else f"{dtype} there"


def drawn_by(initializer: Initializer, seed: int) -> str:
    """``normal (std 0.02) by seed 7``; what is the same for every seed does not name one."""
    said = start_of(initializer)
    return said if isinstance(initializer, Zeros | Ones | Constant) else f"{said} by seed {seed}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
