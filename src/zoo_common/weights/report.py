"""What became of weights that go from one model into another: each by name, as a table for people and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from zoo_common.units import counted
from zoo_spec.initializers import Initializer
from zoo_spec.reading import printable

Fate = Literal["taken", "changed", "new", "left"]
"""``taken`` as it was; ``changed``: taken, and made to fit; ``new``: the model's, which the source does not give;
``left``: the source's, which the model does not have."""
FATES: tuple[Fate, ...] = ("taken", "changed", "new", "left")
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


@dataclass(frozen=True)
class Row:
    """One tensor: its canonical name, or the source's own where the model has none, and its shape there.

    ``note`` says what the name and the fate do not: how it was made to fit, how it begins, why it is left.
    """

    fate: Fate
    name: str
    shape: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What became of all of a source's weights, and of all of a model's."""

    source: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What else is to be known of it, a sentence each."""

    def of(self, fate: Fate) -> tuple[Row, ...]:
        """The rows of one fate."""
        return tuple(row for row in self.rows if row.fate == fate)

    @property
    def summary(self) -> str:
        """``12 taken, 2 new, 3 left``."""
        counts = [(len(self.of(fate)), fate) for fate in FATES]
        said = ", ".join(f"{count:,} {fate}" for count, fate in counts if count or fate == "taken")
        return f"weights of {self.source}: {said}"

    def lines(self) -> list[str]:
        """The summary, then a line a weight; those that differ in a layer's number alone have one together."""
        rows = [(row.fate, *_folded(row.name, count), str(list(row.shape)), row.note)
                for row, count in self._runs()]  # fmt: skip
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        table = [
            "  "
            + "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)).rstrip()
            for row in rows
        ]
        return [self.summary, *table, *(f"  {note}" for note in self.notes)]

    def as_json(self) -> dict[str, JsonValue]:
        """``source``, ``notes``, and a list by each fate of ``{name, shape, note}``."""
        return {
            "source": self.source,
            "notes": list(self.notes),
            **{
                fate: [
                    {"name": row.name, "shape": list(row.shape), "note": row.note} for row in self.of(fate)
                ]
                for fate in FATES
            },
        }

    def _runs(self) -> Iterator[tuple[Row, list[int]]]:
        """The first of those that are alike but for one number, and all their numbers; by fate."""
        found: dict[tuple[object, ...], tuple[Row, list[int]]] = {}
        for row in sorted(self.rows, key=lambda row: FATES.index(row.fate)):
            number = _NUMBER.search(row.name)
            stem = row.name if number is None else f"{row.name[: number.start()]}{row.name[number.end() :]}"
            run = found.setdefault((row.fate, stem, row.shape, row.note, number is None), (row, []))
            if number is not None:
                run[1].append(int(number[0]))
        yield from found.values()


def start_of(initializer: Initializer) -> str:
    """How a weight that is new begins: ``truncated_normal (std 0.02, cut 2.0)``."""
    fields = initializer.model_dump(exclude={"kind"})
    said = ", ".join(f"{name} {value}" for name, value in fields.items() if value)
    return f"{initializer.kind} ({said})" if said else initializer.kind


def _folded(name: str, numbers: list[int]) -> tuple[str, str]:
    """A name with the numbers that it stands for, and how many there are."""
    shown = printable(name)
    if len(numbers) < 2:
        return shown, ""
    numbers = sorted(numbers)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1))
    said = f"{numbers[0]}…{numbers[-1]}" if whole else ",".join(map(str, numbers))
    return _NUMBER.sub(said, shown, count=1), counted(len(numbers), "layer")
