"""Arrays that are counted over all examples, such as their lengths: once for a run, and mapped from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter

from zoo_common.data.entries import Draft, GrowingArray
from zoo_common.data.maps import AnyArray
from zoo_common.data.progress import Work
from zoo_common.data.reader import Wanted
from zoo_common.data.store import Store
from zoo_common.data.subwords.tokenizer import Subwords

_AT_ONCE = 1024
Block = Mapping[str, AnyArray]
"""Some rows of each array; all blocks have the same names."""
Blocks = Callable[[], Iterator[Block]]
Keep = Callable[[str, Blocks], Mapping[str, AnyArray]]
"""Gives the arrays of this name: those that were kept, or what the blocks have, one behind the other."""


def in_memory(name: str, blocks: Blocks) -> Mapping[str, AnyArray]:
    """A ``Keep`` that keeps nothing."""
    found: dict[str, list[AnyArray]] = {}
    for block in blocks():
        for each, rows in block.items():
            found.setdefault(each, []).append(rows)
    return {each: np.concatenate(rows) for each, rows in found.items()}


def chosen_of(count: int, takes: Callable[[int], bool], keep: Keep, name: str = "fitting") -> AnyArray:
    """Those of so many numbers that are taken, ``[taken]``, kept by this name."""

    def numbers() -> Iterator[Block]:
        for start in range(0, count, _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, count))
            yield {"numbers": np.asarray([number for number in some if takes(number)], np.int32)}

    return keep(name, numbers)["numbers"]


def lengths_of(arrays: Mapping[str, AnyArray]) -> Mapping[str, NDArray[np.int32]]:
    """Arrays as what they are: lengths by dimension."""
    return {name: array.astype(np.int32, copy=False) for name, array in arrays.items()}


def kept_for(wanted: Wanted, about: JsonValue = None, tokenizer: Subwords | None = None) -> Keep:
    """Beside the run that examples are wanted for; ``about`` is what decides beside data, task and tokenizer.

    Without a run, and of data whose files nobody knows (so that nobody would notice other ones), nothing is kept.
    """

    def keep(name: str, blocks: Blocks) -> Mapping[str, AnyArray]:
        store = Store.of(wanted)
        if store.folder is None:
            return in_memory(name, blocks)
        also: dict[str, JsonValue] = {"task.kind": wanted.spec.task.kind, name: about}
        key = store.key(also=also, tokenizer="" if tokenizer is None else tokenizer.sha256)
        place = f"{name}_{wanted.split}"
        if not key.sources and not (store.is_prepared and store.find(place) is not None):
            return in_memory(name, blocks)

        def make(draft: Draft) -> Mapping[str, JsonValue]:
            return {"arrays": [*_written(draft, name, blocks())]}

        entry = store.entry(place, key, make)
        return {each: entry[each] for each in TypeAdapter(list[str]).validate_python(entry.facts["arrays"])}

    return keep


def _written(draft: Draft, name: str, blocks: Iterator[Block]) -> list[str]:
    growing: dict[str, GrowingArray] = {}
    with ExitStack() as stack, Work(f"counting {name.replace('_', ' ')}", None, "examples") as work:
        for block in blocks:
            for each, rows in block.items():
                if each not in growing:
                    growing[each] = stack.enter_context(draft.growing(each, rows.dtype, rows.shape[1:]))
                growing[each].append(rows)
            work.advance(max(map(len, block.values()), default=0))
    return [*growing]
