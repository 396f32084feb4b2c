"""What is no number in a run's inputs, NaN and infinity, and weights that are none: named with input and example."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from zoo_common.backend import Array, Batch
from zoo_common.log import LOG
from zoo_common.training.arrays import read_array
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph

WEIGHTS = (1e-30, 1e30)
"""Within which a batch's weights add up: float32's range, with room for the losses that they multiply."""

B = TypeVar("B", bound=Batch)


def checked(batches: Iterator[B], graph: Graph, what: str, start: int = 1) -> Iterator[B]:
    """The same; raises InputError as ``check_numbers``, with ``what`` and the batch's number, from ``start``."""
    for number, batch in enumerate(batches, start):
        try:
            check_numbers(batch, graph)
        except InputError as error:
            raise InputError(f"{error} ({what} {number})") from None
        yield batch


def check_numbers(batch: Batch, graph: Graph) -> None:
    """Raise InputError for NaN or infinity, and for weights below 0 or beyond what float32 can add up."""
    weights = {part.labels: part.weights for part in graph.loss_parts if part.labels and part.weights}
    for name, value in batch.items():
        wrong = not_finite(value)
        if wrong:
            weighing = weights.get(name)
            remedy = f"; where there is no label, give 0 and the weight 0 in {weighing}" if weighing else ""
            raise InputError(f"a batch's {name} {wrong}; correct the data, or leave the example out{remedy}")
    for name in weights.values():
        if name in batch:
            _check_weights(name, batch[name])


def not_finite(value: Array) -> str:
    """The first value that is NaN or infinite, ``of example 3 is nan``; nothing where all are finite."""
    if value.dtype.kind != "f":
        return ""
    with np.errstate(all="ignore"):
        # Four times as fast as asking each; a sum may also overflow.
        if np.isfinite(np.sum(value)):
            return ""
    wrong = np.argwhere(~np.isfinite(value))
    if not len(wrong):
        return ""
    example = f"of example {int(wrong[0][0])} " if value.ndim else ""
    return f"{example}is {float(value[tuple(wrong[0])])}"


def _check_weights(name: str, value: Array) -> None:
    weights = np.asarray(value, np.float64)
    below = np.argwhere(weights < 0)
    if len(below):
        raise InputError(
            f"a batch's {name} of example {int(below[0][0])} is {weights[tuple(below[0])]:g}; weights are 0 or more"
        )
    total = float(weights.sum())
    if total and not WEIGHTS[0] < total < WEIGHTS[1]:
        raise InputError(
            f"a batch's {name} add up to {total:g}, by which float32 cannot divide; give all of them times some "
            "number, for their scale does not matter"
        )


@dataclass
class Suspect:
    """The first value of a feed that was not finite, in words; a model of one's own may mean it."""

    found: str = ""

    def look(self, number: int, batch: object) -> None:
        """See a batch; what is on an accelerator is not waited for."""
        if self.found:
            return
        for name, value in _leaves(batch, ""):
            wrong = not_finite(value)
            if wrong:
                self.found = f"{name or 'the input'} {wrong} in batch {number} of the input"
                return


def _leaves(value: object, name: str) -> Iterator[tuple[str, Array]]:
    """The arrays in a batch, with the names that lead to them."""
    if isinstance(value, Mapping):
        parts = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, tuple | list):
        names = ("features", "labels") if len(value) == 2 and not name else map(str, range(len(value)))
        parts = list(zip(names, value, strict=True))
    else:
        device = str(getattr(value, "device", "")).lower()
        if hasattr(value, "shape") and (not device or "cpu" in device):
            # Whatever is no array is the model's to read.
            with contextlib.suppress(InputError):
                yield name, read_array(name, value)
        return
    for part, inner in parts:
        yield from _leaves(inner, f"{name}.{part}" if name else part)


def warn_unless_finite(title: str, metrics: Mapping[str, float], reason: str = "") -> None:
    """Say so where an evaluation gives NaN or infinity."""
    wrong = [f"{name} {value}" for name, value in metrics.items() if not np.isfinite(value)]
    if wrong:
        because = (
            reason or "the inputs are finite, so the model's weights, or what it computes with them, are not"
        )
        LOG.warning(f"{title}: the evaluation gives {', '.join(wrong)}: {because}")
