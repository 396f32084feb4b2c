"""What was found in data, as a picture: the lengths of examples, and a few images with their masks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Array
from zoo_common.report.inspection.found import Inspection, Lengths, ShownExample
from zoo_common.report.plot import STYLE, plain
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS, _MOST = 4, 12
_MASK_COLOURS = 10


def require_plotting() -> None:
    """Raise EnvironmentFault where there is nothing to draw with; called before what takes long, too."""
    require_extra("matplotlib", library="matplotlib", extra="plot", what="a picture of the data")


def to_png(found: Inspection) -> bytes:
    """Histograms of lengths, then the shown images, each with its label, and with its mask beside it.

    Raises InputError where there is neither.
    """
    require_plotting()
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    images = [each for each in found.shown if _is_image(each)][:_MOST]
    if not images and not found.lengths:
        raise InputError(
            f"{found.spec}: all examples have one size and none is an image, so that there is nothing to draw; "
            "leave out --png"
        )
    tiles = [(each, is_mask) for each in images for is_mask in (False, True) if not is_mask or _mask(each)]
    across = _ACROSS if tiles else 1
    down = -(-len(tiles) // across)
    with rc_context(STYLE):
        histograms = len(found.lengths)
        figure = Figure(figsize=(8, 3.2 * histograms + 2.2 * down + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(plain(f"{found.spec}: {'training' if found.split == 'train' else 'evaluation'} data"))
        grid = figure.add_gridspec(histograms + down, across, height_ratios=[3.2] * histograms + [2.2] * down)
        for place, lengths in enumerate(found.lengths):
            _draw_lengths(figure.add_subplot(grid[place, :]), lengths)
        for number, (shown, is_mask) in enumerate(tiles):
            axes = figure.add_subplot(grid[histograms + number // across, number % across])
            _draw_mask(axes, shown) if is_mask else _draw_image(axes, shown)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()


def _draw_lengths(axes: Axes, lengths: Lengths) -> None:
    bins = lengths.histogram(64)
    shares = [count / len(lengths.real) for _, _, count in bins]
    middles = [(first + last) / 2 for first, last, _ in bins]
    widths = [0.9 * (last - first + 1) for first, last, _ in bins]
    axes.bar(middles, shares, widths, color="#0072B2")
    mean = float(lengths.real.mean())
    axes.axvline(mean, color="#D55E00", linewidth=1.5, label=f"mean {mean:,.1f}")
    axes.axvline(
        lengths.padding + 0.5,
        color="#000000",
        linestyle=":",
        linewidth=1.5,
        label=f"filled up to {lengths.padding:,}",
    )
    axes.set(xlabel=f"length ({lengths.dimension})", ylabel="part of the examples")
    axes.set_xlim(0, lengths.padding * 1.02 + 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _is_image(shown: ShownExample) -> bool:
    image = shown.arrays.get("image")
    return image is not None and image.ndim == 3


def _mask(shown: ShownExample) -> bool:
    labels = shown.arrays.get("labels")
    return labels is not None and labels.ndim == 2


def _draw_image(axes: Axes, shown: ShownExample) -> None:
    image = shown.arrays["image"].astype(np.float64)
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / ((high - low) or 1.0)
    axes.imshow(scaled[..., :3] if scaled.shape[-1] >= 3 else scaled[..., 0], cmap="gray", vmin=0, vmax=1)
    label = dict(shown.rows).get("label")
    title = f"{shown.index:,}" + (f": {label[0].text}" if label else "")
    axes.set_title(plain(title), fontsize=9)
    axes.set_axis_off()


def _draw_mask(axes: Axes, shown: ShownExample) -> None:
    labels = shown.arrays["labels"]
    colours = _colours(labels, shown.arrays.get("label_weights"))
    axes.imshow(colours, interpolation="nearest")
    axes.set_title(f"mask of {shown.index:,}", fontsize=9)
    axes.set_axis_off()


def _colours(labels: Array, weights: Array | None) -> NDArray[np.float64]:
    """Black is the background, white what does not count, each class a colour of its own."""
    from matplotlib import colormaps

    table = np.asarray(colormaps["tab10"](range(_MASK_COLOURS)))[:, :3]
    ids = labels.astype(np.int64)
    found = np.where(ids[..., None] > 0, table[(ids - 1) % _MASK_COLOURS], 0.0)
    if weights is not None:
        found = np.where((weights > 0)[..., None], found, 1.0)
    return found
