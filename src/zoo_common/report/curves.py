"""Two frameworks' loss curves and the gap between them, as a table and as a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from zoo_common.files import explained, write_atomically
from zoo_common.parity import tolerances
from zoo_common.report.plot import Floats, Gap, Line, Picture
from zoo_spec.errors import InputError
from zoo_spec.reading import read_file

_FILE = "curves"
_LONGEST = 100_000_000
_FORMAT, _VERSION = "zoo-curves", 1


@dataclass(frozen=True)
class Curves:
    """The loss of every step in two frameworks, and in the first one started from weights changed by rounding.

    ``first``, ``second`` and ``changed`` have a loss a step, steps counting from 1; ``names`` are what to
    call the two frameworks.
    """

    title: str
    names: tuple[str, str]
    first: Floats
    second: Floats
    changed: Floats

    @property
    def gap(self) -> Floats:
        """How far the frameworks are apart."""
        return np.abs(self.second - self.first)

    @property
    def floor(self) -> Floats:
        """How far the first framework has been from itself up to each step, at least some ulps of the loss."""
        ulps = tolerances.CURVE_ULPS * 2.0**-23 * np.abs(self.first)
        return np.maximum.accumulate(np.maximum(np.abs(self.changed - self.first), ulps))

    @property
    def limit(self) -> Floats:
        """What the gap may be before it counts as a difference between the frameworks."""
        return tolerances.CURVE_MULTIPLE * self.floor

    @property
    def left_at(self) -> int | None:
        """The first step whose gap is above the limit, or not a number; None if there is none."""
        above = np.flatnonzero(~(self.gap <= self.limit))
        return int(above[0]) + 1 if above.size else None

    def verdict(self) -> str:
        """Whether and where the gap leaves the floor, in a sentence."""
        largest = f"the gap is {np.max(self.gap):.1e} at most, at step {int(np.argmax(self.gap)) + 1}"
        multiple = f"{tolerances.CURVE_MULTIPLE:g} times the floor"
        if self.left_at is None:
            return f"{largest}, and stays below {multiple} throughout"
        return f"{largest}; it first exceeds {multiple} at step {self.left_at}"

    def floor_is(self) -> str:
        """What the floor is, in a phrase."""
        least = f"{tolerances.CURVE_ULPS:g} float32 ulp of the loss at least"
        return f"{self.names[0]} against itself from weights changed by 1e-7, {least}"

    def table(self, rows: int = 14) -> Table:
        """Both curves, their gap and the floor, at about ``rows`` steps, closer together at the start."""
        table = Table(box=None, pad_edge=False)
        for heading in ("step", *self.names, "gap", "floor"):
            table.add_column(heading, justify="right")
        for step in _chosen(len(self.first), rows):
            losses = (f"{curve[step - 1]:.6f}" for curve in (self.first, self.second))
            table.add_row(str(step), *losses, f"{self.gap[step - 1]:.1e}", f"{self.floor[step - 1]:.1e}")
        return table

    def save(self, directory: Path) -> list[Path]:
        """Write ``curves.png``, ``.svg``, ``.csv`` and ``.json`` (``read_curves``); returns their paths."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", *self.names, "gap", "floor"])
        columns = zip(self.first, self.second, self.gap, self.floor, strict=True)
        writer.writerows([step, *map(float, values)] for step, values in enumerate(columns, 1))
        contents: dict[str, str | bytes] = {
            **self.picture().render(),
            "csv": text.getvalue(),
            "json": self._document(),
        }
        paths = []
        for ending, content in contents.items():
            path = directory / f"{_FILE}.{ending}"
            with explained("write", path):
                write_atomically(path, content)
            paths.append(path)
        return paths

    def picture(self) -> Picture:
        """Both curves, and below them their gap against the floor."""
        steps = np.arange(1, len(self.first) + 1)
        curves = zip(self.names, (self.first, self.second), strict=True)
        return Picture(
            self.title,
            "training loss",
            [Line(name, steps, values) for name, values in curves],
            Gap(steps, self.gap, steps, self.floor, self.floor_is(), is_measured=True),
            "difference in loss",
        )

    def _document(self) -> str:
        curves = {name: _listed(getattr(self, name)) for name in ("first", "second", "changed")}
        return json.dumps(
            {"format": _FORMAT, "version": _VERSION, "title": self.title, "names": self.names, **curves}
        )


def read_curves(directory: Path) -> Curves | None:
    """The curves that a demo saved in this directory, or None.

    Raises InputError if ``curves.json`` is none of ours.
    """
    path = directory / f"{_FILE}.json"
    if not path.is_file():
        return None
    delete = "delete it to plot without its floor"
    raw = read_file(path, most=_LONGEST, remedy=delete)
    try:
        found = json.loads(raw)
        if (found["format"], found["version"]) != (_FORMAT, _VERSION):
            raise ValueError(f"format {found['format']!r}, version {found['version']!r}")
        first, second, changed = (np.array(found[name], float) for name in ("first", "second", "changed"))
        one, other = map(str, found["names"])
        if not first.shape == second.shape == changed.shape == (len(first),):
            raise ValueError("curves of different lengths")
        return Curves(str(found["title"]), (one, other), first, second, changed)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        reason = f"is not what this version of zoo demo saves ({error})"
        raise InputError(f"{path}: {reason}; {delete}") from None


def _listed(values: Floats) -> list[float | None]:
    """For JSON, which has no NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _chosen(last: int, rows: int) -> Sequence[int]:
    """Steps to show: 1, 2, 5, 10, 20 and so on, then evenly spread, and the last."""
    early = [step for step in (1, 2, 5, 10, 20) if step < last]
    even = [round(last * part / max(1, rows - len(early))) for part in range(1, rows - len(early) + 1)]
    return sorted({*early, *(step for step in even if step >= min(20, last)), last})
