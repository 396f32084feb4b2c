"""What a user's ``input_fn`` gives: batches, in whatever form, opened and gone through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from zoo_spec.errors import InputError

InputFn: TypeAlias = Callable[..., Iterable[object]] | Iterable[object]
"""A function that gives batches, or the batches themselves (a data loader, a data set, a list)."""


@dataclass(frozen=True)
class Feed:
    """Batches from ``source``, again from its start when it ends if ``repeats``."""

    source: Iterable[object]
    repeats: bool = False
    look: Callable[[int, object], None] = lambda number, batch: None
    """Is shown every batch, with its number from 1."""

    def __iter__(self) -> Iterator[object]:
        """Raises InputError if there is no batch at all."""
        is_empty = True
        numbers = count(1)
        while True:
            found = False
            for batch in self.source:
                found = True
                self.look(next(numbers), batch)
                yield batch
            if is_empty and not found:
                raise InputError(
                    "the input gives no batch; look at its files, its filters and its batch size"
                )
            is_empty = False
            if not (found and self.repeats):
                return


def open_feed(input_fn: InputFn | None, offered: Mapping[str, object], *, repeats: bool = False) -> Feed:
    """Call ``input_fn`` with those of ``offered`` that it takes by name, or go through it if it is batches.

    A function's batches end where they end, as tf.estimator had it. Batches that are given themselves are
    gone through again and again if ``repeats``: a data loader is an epoch. Raises InputError where there is
    nothing to go through.
    """
    if input_fn is None:
        raise InputError("this needs an input_fn: a function that gives batches, or the batches themselves")
    if not callable(input_fn):
        return Feed(_iterable(input_fn, "the input"), repeats)
    taken = inspect.signature(input_fn).parameters
    name = getattr(input_fn, "__name__", "input_fn")
    given = input_fn(**{key: value for key, value in offered.items() if key in taken})
    return Feed(_iterable(given, f"{name}()"))


def _iterable(given: object, what: str) -> Iterable[object]:
    if isinstance(given, Iterable) and not isinstance(given, dict | str | bytes):
        return given
    raise InputError(
        f"{what} gives {type(given).__name__}, which is no batches; give a data set, a data loader, "
        "or anything else that yields one batch after the other"
    )
