"""Two frameworks' loss curves and the gap between them, as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from zoo_common.files import explained, write_atomically
from zoo_common.parity import tolerances

Floats = NDArray[np.float64]

# Okabe and Ito's colours, which the colour-blind tell apart; the dashes do so in grey.
_FIRST, _SECOND, _GAP, _FLOOR = "#E69F00", "#0072B2", "#000000", "#009E73"


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
        least = f"{tolerances.CURVE_ULPS:g} float32 ulps of the loss at least"
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
        """Write ``curves.png``, ``curves.svg`` and ``curves.csv``; returns their paths."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", *self.names, "gap", "floor"])
        columns = zip(self.first, self.second, self.gap, self.floor, strict=True)
        writer.writerows([step, *map(float, values)] for step, values in enumerate(columns, 1))
        contents: dict[str, str | bytes] = {**self._pictures(), "csv": text.getvalue()}
        paths = []
        for ending, content in contents.items():
            path = directory / f"curves.{ending}"
            with explained("write", path):
                write_atomically(path, content)
            paths.append(path)
        return paths

    def _pictures(self) -> dict[str, bytes]:
        # Figure without pyplot: no window system is looked for, and nobody else's settings are touched.
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        steps = np.arange(1, len(self.first) + 1)
        with rc_context(
            {"svg.hashsalt": "zoo", "font.size": 11, "axes.titlesize": 12, "svg.fonttype": "none"}
        ):
            figure = Figure(figsize=(8, 6.5), layout="constrained")
            FigureCanvasAgg(figure)
            upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 3))
            upper.plot(steps, self.first, color=_FIRST, linewidth=4.5, label=self.names[0])
            upper.plot(steps, self.second, color=_SECOND, linewidth=1.6, dashes=(4, 2), label=self.names[1])
            upper.set(title=self.title, ylabel="training loss")
            none = int(np.sum(self.gap == 0))
            label = f"gap (exactly 0 at {none} of {len(steps)} steps)" if none else "gap"
            seen = np.where(self.gap > 0, self.gap, np.nan)
            lower.plot(steps, seen, color=_GAP, linestyle="none", marker=".", markersize=4, label=label)
            lower.plot(steps, self.floor, color=_FLOOR, label=f"floor: {self.floor_is()}")
            limit = f"{tolerances.CURVE_MULTIPLE:g} times the floor"
            lower.plot(steps, self.limit, color=_FLOOR, linestyle=":", label=limit)
            lower.set(yscale="log", xlabel="step", ylabel="difference in loss")
            for axes in (upper, lower):
                axes.grid(color="#dddddd", linewidth=0.6)
                axes.set_axisbelow(True)
                axes.spines[["top", "right"]].set_visible(False)
            upper.legend(frameon=False, loc="upper right")
            handles, labels = lower.get_legend_handles_labels()
            figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=1, fontsize=10)
            found = {}
            for ending, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
                stream = io.BytesIO()
                figure.savefig(stream, format=ending, dpi=150, metadata=metadata)
                found[ending] = stream.getvalue()
        return found


def _chosen(last: int, rows: int) -> Sequence[int]:
    """Steps to show: 1, 2, 5, 10, 20 and so on, then evenly spread, and the last."""
    early = [step for step in (1, 2, 5, 10, 20) if step < last]
    even = [round(last * part / max(1, rows - len(early))) for part in range(1, rows - len(early) + 1)]
    return sorted({*early, *(step for step in even if step >= min(20, last)), last})
