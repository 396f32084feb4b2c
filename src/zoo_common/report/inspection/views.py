"""How an example of each kind of task is shown, registered on the task's class; a plugin does so with its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, singledispatch
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Array, Example
from zoo_common.data.label_names import Names, read_label_names
from zoo_common.data.subwords.tokenizer import CONTINUES, SENTINEL, Subwords
from zoo_common.data.subwords.tokenizer_files import FILE, run_tokenizer
from zoo_spec.data_fit import label_count
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.tasks.base import Task

Mark = Literal["plain", "special", "asked", "context", "label"]
"""What stands there as it is, what no text has, what a model is asked for, what weighs nothing, a label."""
MOST = 400
"""Pieces of a row; of what is longer the beginning is shown."""
_FEW = 12


@dataclass(frozen=True)
class Piece:
    """A token or several; ``says`` is what is to be learned there, if that is not the text itself."""

    text: str
    mark: Mark = "plain"
    says: str = ""

    def __str__(self) -> str:
        return f"{self.text}{{{self.says}}}" if self.says else self.text


Row = tuple[str, tuple[Piece, ...]]
"""What is shown, and it."""


@dataclass(frozen=True)
class Classes:
    """What is told apart by an example's labels: ``names`` in the order of the ids, as far as they are known.

    ``of`` is what has such a label; ``exclusive``: each has one of them.
    """

    of: str
    names: tuple[str, ...]
    exclusive: bool = True

    def name(self, index: int) -> str:
        """What an id is called, and the id."""
        return f"{self.names[index]} ({index})" if index < len(self.names) else str(index)


class View(Protocol):
    """How the examples of one spec are shown."""

    legend: str = ""
    """What the marks mean."""
    classes: Classes | None = None
    """None where nothing is told apart."""

    def rows(self, example: Example) -> list[Row]:
        """What is shown of an example."""

    def labels(self, example: Example) -> NDArray[np.integer]:
        """The ids of ``classes`` that an example has and that count."""
        return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Looked:
    """What examples are shown of: a spec, its graph, and the directory with what was learned of the data."""

    spec: ExperimentSpec
    graph: Graph
    kept: Path

    @cached_property
    def tokenizer(self) -> Subwords | None:
        """That of the data; None where ids have no text."""
        rows = self.graph.table_rows().get("input_ids")
        data = self.spec.data.asked
        has_own = (self.kept / FILE).exists() or getattr(data, "vocabulary", None) is not None
        return run_tokenizer(data, self.kept, rows) if has_own else None

    @property
    def names(self) -> Names:
        """What labels are called; nothing where nobody says."""
        stated: Names | None = getattr(self.spec.data.asked, "labels", None)
        return read_label_names(self.kept, label_count(self.graph)) or stated or ()

    def tokens(self, ids: Array) -> list[Piece]:
        """A piece for each token."""
        found = self.tokenizer
        if found is None:
            return [Piece(str(each)) for each in ids.tolist()]
        return [self._token(found, int(each)) for each in ids]

    def _token(self, tokenizer: Subwords, index: int) -> Piece:
        if index >= tokenizer.size:  # The last rows of a table are sentinels where the vocabulary has none.
            last = self.graph.table_rows()["input_ids"] - 1
            return Piece(SENTINEL.format(last - index), "special")
        shown = tokenizer.shown(index)
        is_special = shown in tokenizer.specials or (
            tokenizer.sentinels is not None and "<extra_id_" in shown
        )
        return Piece(shown, "special" if is_special else "plain")


def text_row(title: str, pieces: list[Piece]) -> Row:
    """A row of tokens in which those that nothing is asked of are put together to words."""
    found: list[Piece] = []
    for piece in pieces[:MOST]:
        goes_on = piece.text.startswith(CONTINUES) and len(piece.text) > len(CONTINUES) and not piece.says
        before = found[-1] if found else None
        if goes_on and before is not None and not before.says and before.mark == piece.mark:
            found[-1] = Piece(before.text + piece.text.removeprefix(CONTINUES), piece.mark)
        else:
            found.append(piece)
    if len(pieces) > MOST:
        found.append(Piece(f"… {len(pieces) - MOST:,} more", "context"))
    return title, tuple(found)


def said(title: str, text: str, mark: Mark = "plain") -> Row:
    """A row of words."""
    return title, (Piece(text, mark),)


@singledispatch
def open_view(task: Task, looked: Looked) -> View:
    """How examples of a task are shown; of one that nobody has registered, by the arrays alone."""
    return Arrays()


class Arrays(View):
    """Examples of which only their arrays are known."""

    def rows(self, example: Example) -> list[Row]:
        """Each array's shape, and its values or their range."""
        return [array_row(name, value) for name, value in example.items()]


def array_row(name: str, value: Array) -> Row:
    """An array's shape, and its values if they are few, else their range."""
    shape = "×".join(map(str, value.shape)) or "one number"
    if value.size <= _FEW:
        return said(name, f"{shape}: {' '.join(f'{each:g}' for each in value.ravel().tolist())}")
    return said(name, f"{shape}, {spread(value)}")


def spread(value: Array) -> str:
    """The range and the mean."""
    return f"{float(value.min()):.4g} to {float(value.max()):.4g}, mean {float(value.mean()):.4g}"
