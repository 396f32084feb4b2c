"""Curves over training steps, and the gap between two of them against a floor, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo_common.parity import tolerances
from zoo_common.screen import visible
from zoo_spec.importing import require_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Okabe and Ito's colours, which the colour-blind tell apart, without the yellow, which is too pale for a line;
# the dashes tell more than seven curves apart, and all of them in grey.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
Dashes = str | tuple[int, tuple[float, ...]]
_DASHES: tuple[Dashes, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
_GAP, _FLOOR = "#000000", "#009E73"
_FEW, _MANY, _LONGEST = 40, 6, 48
STYLE = {"svg.hashsalt": "zoo", "font.size": 11, "axes.titlesize": 12, "svg.fonttype": "none"}


@dataclass(frozen=True)
class Line:
    """A curve: a value at each of these steps, which rise; what is not finite is left out and counted."""

    label: str
    steps: Ints
    values: Floats


@dataclass(frozen=True)
class Gap:
    """How far two curves are apart, and the floor that this is seen against.

    ``floor_is`` says what the floor is; ``is_measured`` whether it comes from a run, so that a multiple of it
    is a limit.
    """

    steps: Ints
    gap: Floats
    floor_steps: Ints
    floor: Floats
    floor_is: str
    is_measured: bool


@dataclass(frozen=True)
class Picture:
    """Curves with a title, and below them, if there is one, a gap on a logarithmic scale.

    ``smooth`` draws the mean over that many points, the points themselves pale behind it.
    """

    title: str
    y_label: str
    lines: Sequence[Line]
    gap: Gap | None = None
    gap_label: str = "difference"
    log_y: bool = False
    smooth: int = 1

    def render(self) -> dict[str, bytes]:
        """The picture as ``png`` and as ``svg``; the same curves give the same bytes.

        Raises EnvironmentFault as ``require_matplotlib``.
        """
        require_matplotlib()
        from matplotlib import rc_context

        with rc_context(STYLE):
            figure = self._figure()
            found = {}
            for ending, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
                stream = io.BytesIO()
                figure.savefig(stream, format=ending, dpi=150, metadata=metadata)
                found[ending] = stream.getvalue()
        return found

    def _figure(self) -> Figure:
        # Figure without pyplot: no window system is looked for, and nobody else's settings are touched.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        many = len(self.lines) > _MANY
        figure = Figure(figsize=(10 if many else 8, 6.5 if self.gap else 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        if self.gap is None:
            upper = bottom = figure.subplots()
        else:
            upper, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 3))
            self._draw_gap(bottom, self.gap)
            handles, labels = bottom.get_legend_handles_labels()
            figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=1, fontsize=10)
        self._draw_lines(upper)
        upper.set(ylabel=plain(self.y_label))
        upper.set_title(plain(self.title))
        bottom.set(xlabel="step")
        for axes in {upper, bottom}:
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        handles, labels = upper.get_legend_handles_labels()
        if many:
            figure.legend(handles, labels, frameon=False, loc="outside right upper", fontsize=9)
        else:
            upper.legend(handles, labels, frameon=False, loc="best")
        return figure

    def _draw_lines(self, axes: Axes) -> None:
        from matplotlib.ticker import LogFormatter, StrMethodFormatter

        pair = len(self.lines) == 2
        for index, line in enumerate(self.lines):
            colour = _COLOURS[index % len(_COLOURS)]
            dashes: Dashes = _DASHES[index // len(_COLOURS) % len(_DASHES)]
            width, size = 1.8, 4.0
            if pair:
                # Two curves may lie on each other: a broad one, and a dashed one on top of it.
                colour = _COLOURS[1 - index]
                width, dashes, size = ((4.5, "-", 8.0), (1.6, (0, (4, 2)), 4.0))[index]
            finite = np.where(np.isfinite(line.values), line.values, np.nan)
            if self.smooth > 1:
                axes.plot(line.steps, finite, color=colour, linewidth=0.8, alpha=0.3)
            axes.plot(
                line.steps,
                running_mean(finite, self.smooth),
                label=_label(line),
                color=colour,
                linestyle=dashes,
                linewidth=width,
                marker="o" if len(finite) <= _FEW else None,
                markersize=size,
            )
        if self.log_y:
            axes.set_yscale("log", nonpositive="mask")
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.7)))

    def _draw_gap(self, axes: Axes, found: Gap) -> None:
        none = int(np.sum(found.gap == 0))
        zeros = f" (exactly 0 at {none} of {len(found.gap)} steps)" if none else ""
        seen = np.where(found.gap > 0, found.gap, np.nan)
        axes.plot(
            found.steps, seen, color=_GAP, linestyle="none", marker=".", markersize=4, label=f"gap{zeros}"
        )
        marker = "o" if len(found.floor) <= _FEW else None
        floor_label = f"floor: {found.floor_is}"
        axes.plot(
            found.floor_steps, found.floor, color=_FLOOR, label=floor_label, marker=marker, markersize=3
        )
        if found.is_measured:
            limit = tolerances.CURVE_MULTIPLE * found.floor
            label = f"{tolerances.CURVE_MULTIPLE:g} times the floor"
            axes.plot(found.floor_steps, limit, color=_FLOOR, linestyle=":", label=label)
        axes.set(yscale="log", ylabel=self.gap_label)
        highest = found.floor * (tolerances.CURVE_MULTIPLE if found.is_measured else 1)
        shown = np.concatenate([seen, found.floor, highest])
        shown = shown[np.isfinite(shown) & (shown > 0)]
        if shown.size:  # Whole decades, so that each has its number.
            axes.set_ylim(10 ** np.floor(np.log10(shown.min())), 10 ** np.ceil(np.log10(shown.max())))


def require_matplotlib() -> None:
    """Raise EnvironmentFault where there is nothing to draw with; called before what takes long, too."""
    require_extra("matplotlib", library="matplotlib", extra="plot", what="a picture of curves")


def running_mean(values: Floats, size: int) -> Floats:
    """The mean over ``size`` values around each, fewer at the ends; those that are NaN do not count."""
    if size == 1:
        return values
    known = np.isfinite(values)
    sums, counts = (
        np.concatenate(([0.0], np.cumsum(each))) for each in (np.where(known, values, 0.0), known)
    )
    places = np.arange(len(values))
    starts = np.maximum(places - (size - 1) // 2, 0)
    ends = np.minimum(places + size // 2 + 1, len(values))
    number = counts[ends] - counts[starts]
    means: Floats = np.divide(
        sums[ends] - sums[starts], number, out=np.full(len(values), np.nan), where=(number > 0) & known
    )
    return means


def _label(line: Line) -> str:
    name = line.label if len(line.label) <= _LONGEST else f"…{line.label[1 - _LONGEST :]}"
    lost = int(np.sum(~np.isfinite(line.values)))
    missing = f" (not finite at {lost} of {len(line.values)} steps)" if lost else ""
    # matplotlib leaves out of the legend what begins with an underscore.
    return f"{' ' if name.startswith('_') else ''}{plain(name)}{missing}"


def plain(text: str) -> str:
    """Text in which matplotlib finds no formula."""
    return visible(text).replace("$", r"\$")
