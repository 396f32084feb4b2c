"""Greedy decoding: the likeliest token, again and again, by running the whole model anew for each.

The same in both frameworks, to the rounding of their logits; of equal ones the lower id is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zoo_common.backend import Batch, Weights
from zoo_spec.errors import InputError

Step = Callable[[Batch], Weights]
"""All outputs for a batch of features."""
Ids = NDArray[np.int64]
Rows = Sequence[Sequence[int]]
Ask = Callable[[Rows], Ids]
"""The likeliest token behind each row."""
_SOURCES = ("input_ids", "example_ids", "token_type_ids")
"""An encoder's inputs."""
_LEAST = 8
"""Rows are filled up to this length, then to twice it, and so on: few sizes, for what compiles a size at a time."""


@dataclass(frozen=True)
class Generation:
    """How one model goes on: behind a token that starts its decoder, or behind a text and a separator.

    ``end`` is what ends a text, and a causal model's separator; ids below ``kinds`` are tokens; an answer
    has ``most`` tokens and no row more than ``longest``; ``inputs`` are those of the graph.
    """

    pad: int
    end: int
    kinds: int
    most: int
    longest: int
    inputs: frozenset[str]

    def of(self, step: Step, batch: Batch) -> list[list[int]]:
        """The tokens of each row of a batch, with its end where it came to one.

        ``batch`` has sources, or texts behind which there may be targets, whose ``label_weights`` are above 0.
        """
        if "decoder_input_ids" in self.inputs:
            rows = [[self.pad]] * len(batch["input_ids"])
            ask = partial(self._by_source, step, {name: batch[name] for name in _SOURCES if name in batch})
        else:
            rows, ask = _texts(batch), partial(self._by_text, step)
        return greedy(ask, rows, end=self.end, most=self.most, longest=self.longest)

    def _by_source(self, step: Step, sources: Batch, rows: Rows) -> Ids:
        ids, real = filled(rows, self.pad, self.longest)
        return self._likeliest(step, {**sources, "decoder_input_ids": ids, "decoder_example_ids": real}, rows)

    def _by_text(self, step: Step, rows: Rows) -> Ids:
        ids, real = filled(rows, self.pad, self.longest)
        return self._likeliest(step, {"input_ids": ids, "example_ids": real}, rows)

    def _likeliest(self, step: Step, given: Batch, rows: Rows) -> Ids:
        batch = {name: value for name, value in given.items() if name in self.inputs}
        return likeliest(step(batch)["logits"], rows, self.kinds)


def greedy(ask: Ask, rows: Rows, *, end: int, most: int, longest: int) -> list[list[int]]:
    """What each row goes on with: up to its ``end``, which is not given, or ``most`` tokens.

    No row gets longer than ``longest``. What does not end with ``end`` has it not reached.
    """
    found: list[list[int]] = [[] for _ in rows]
    rest = [min(most, longest - len(row) + 1) for row in rows]
    runs = [number > 0 for number in rest]
    while any(runs):
        tokens = ask([[*row, *more] for row, more in zip(rows, found, strict=True)])
        for index, token in enumerate(map(int, tokens)):
            if runs[index]:
                found[index].append(token)
                runs[index] = token != end and len(found[index]) < rest[index]
    return found


def _texts(batch: Batch) -> list[list[int]]:
    """The rows of a causal model's batch as far as their separators."""
    ids, weights = batch["input_ids"], batch.get("label_weights")
    if weights is not None:
        counts = np.argmax(np.asarray(weights, np.float32) > 0, axis=1) + 1
    else:
        counts = np.asarray(batch["example_ids"]).sum(axis=1)
    return [list(map(int, row[: int(count)])) for row, count in zip(ids, counts, strict=True)]


def filled(rows: Rows, pad: int, longest: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """``[rows, length]`` ids, filled up with ``pad``, and 1 where they are real."""
    needed, length = max(map(len, rows)), _LEAST
    while length < needed:
        length *= 2
    length = max(min(length, longest), needed)
    ids = np.full((len(rows), length), pad, np.int32)
    real = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        real[index, : len(row)] = 1
    return ids, real


def likeliest(logits: NDArray[np.generic], rows: Rows, kinds: int) -> Ids:
    """Of ``logits [rows, length, vocabulary]`` the best token behind each row; InputError for NaN or infinity."""
    behind = np.asarray(logits)[np.arange(len(rows)), [len(row) - 1 for row in rows], :kinds].astype(
        np.float64
    )
    if not np.isfinite(behind).all():
        raise InputError(
            "the model's answer holds NaN or infinity: its weights are of no use; train it again"
        )
    return np.asarray(np.argmax(behind, axis=-1), np.int64)
