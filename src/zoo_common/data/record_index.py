"""Where each record of a source stands, and what was learned by looking at all, kept so that none is read again.

The index of a source is an entry of the run's store (``zoo_common.data.store``). A source does not know of it:
whoever opens one says where its index is kept (``kept_in``), and the records that it makes of files take that up.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter

from zoo_common.data.entries import Draft, Entry
from zoo_common.data.keys import Key
from zoo_common.data.maps import AnyArray, mapped
from zoo_common.data.reader import Wanted
from zoo_common.data.record_files import IndexedFile, Learner, Look, Place, RecordFile
from zoo_common.data.record_walk import AT_ONCE, Block, Walk
from zoo_common.data.store import Store
from zoo_spec.data import Data

_LARGE = 1 << 26
"""Bytes of a source beyond which parts are kept while it is looked at."""
_WIDE = "wide"


@dataclass(frozen=True)
class Keeping:
    """Where the index of a source is kept, and who looks at its records."""

    store: Store
    name: str
    learner: Learner

    @classmethod
    def of(cls, wanted: Wanted, learner: Learner, part: str) -> Self:
        """``part`` is that of the data whose files are read."""
        return cls(Store.of(wanted), f"records_{part}_{learner.name}", learner)

    @property
    def unpacked(self) -> Path | None:
        """Where packed files are unpacked to; None where nothing is kept, or this user may not write."""
        folder = self.store.folder
        if folder is None:
            return None
        there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
        return folder / "unpacked" if os.access(there, os.W_OK) else None

    def key(self) -> Key:
        """What an index is made of."""
        task = self.store.wanted.spec.task.kind
        return self.store.key(also={"task.kind": task, f"look.{self.learner.name}": self.learner.about()})

    def recalls(self) -> bool:
        """Whether the learner knows what it learned by an index that is kept, without one being made.

        Raises InputError for a prepared one of other data.
        """
        if self.store.find(self.name) is None:
            return False
        entry = self.store.entry(self.name, self.key(), _never)
        return self.learner.recall(entry.facts["learned"])


def _never(draft: Draft) -> Mapping[str, JsonValue]:
    raise AssertionError("what is prepared is only read")


_NEXT: ContextVar[Keeping | None] = ContextVar("keeping", default=None)


@contextmanager
def kept_in(keeping: Keeping | None) -> Iterator[None]:
    """The records that are made of files in here keep their index so."""
    token = _NEXT.set(keeping)
    try:
        yield
    finally:
        _NEXT.reset(token)


def _taken_up(look: Look) -> Keeping | None:
    """What was said by ``kept_in``, for the records that its learner looks at, if maybe not alone.

    A source may read a file for itself before; and an index is that of one source.
    """
    found, beside = _NEXT.get(), getattr(look, "__self__", None)
    if found is None or found.learner.look not in (look, getattr(beside, "look_beside", None)):
        return None
    _NEXT.set(None)
    return found


def kept_fact(what: str, path: str, find: Callable[[], JsonValue]) -> JsonValue:
    """What a source has to read all of a file for, before it can give a record: found once for a run."""
    keeping = _NEXT.get()
    if keeping is None or keeping.store.folder is None:
        return find()
    key = keeping.store.key()
    if not key.sources:
        return find()
    name = f"{what}_{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    return keeping.store.entry(name, key, lambda draft: {what: find()}).facts[what]


class Index:
    """Where records stand: their ``places`` and ``numbers`` ``[records]``, and the first record of each file."""

    def __init__(
        self, places: AnyArray, numbers: AnyArray, firsts: Sequence[int], entry: Entry | None = None
    ) -> None:
        """``entry`` is where both lie; a temporary one goes with it."""
        self._places, self._numbers, self._firsts, self._entry = places, numbers, firsts, entry

    def __len__(self) -> int:
        return len(self._places)

    def place(self, index: int) -> tuple[int, Place]:
        """The number of the file that a record is in, and its place there."""
        if index < 0 or index >= len(self):
            raise IndexError(f"there are {len(self)} records, and no record {index}")
        place = int(self._places[index]), int(self._numbers[index])
        return bisect_right(self._firsts, index) - 1, place


def index_of(data: Data, files: Sequence[RecordFile], look: Look) -> Index:
    """The index of files: as it is kept, or of all records, which are read now and shown to ``look``."""
    keeping = _taken_up(look)
    indexed = [file for file in files if isinstance(file, IndexedFile)]
    if keeping is not None and len(indexed) == len(files):
        found = _kept(keeping, data, files, indexed, look)
        if found is not None:
            return found
    walk = Walk(data, files, look)
    places = np.concatenate([np.zeros((0, 2), np.int64), *walk.blocks()])
    walk.tolerance.end()
    return Index(places[:, 0], places[:, 1], walk.firsts)


def _kept(
    keeping: Keeping, data: Data, files: Sequence[RecordFile], indexed: Sequence[IndexedFile], look: Look
) -> Index | None:
    """The index as it is kept, or made and kept now; None where it is not worth it, or the learner has to look.

    ``indexed`` are the files, as what they are beside.
    """
    store, learner = keeping.store, keeping.learner
    is_large = sum(file.size for file in files) > _LARGE
    if store.folder is None and not is_large:
        return None
    key = keeping.key()
    if store.folder is not None and not key.sources:
        return None  # Nobody would notice that the data are others.
    walk = Walk(data, files, look, learner=learner if look == learner.look else None)
    was_made = False

    def make(draft: Draft) -> Mapping[str, JsonValue]:
        nonlocal was_made
        was_made = True
        _write(draft, walk.blocks_in_parts(draft) if is_large else walk.blocks())
        walk.tolerance.end()
        more = [file.kept() for file in indexed]
        for number, arrays in enumerate(more):
            for name, array in arrays.items():
                draft.save(f"{name}_{number}", array)
        return {
            "firsts": [*walk.firsts],
            "kept": [[*arrays] for arrays in more],
            "learned": learner.learned(),
            **walk.tolerance.counts,
        }

    entry = store.entry(keeping.name, key, make)
    if not was_made:
        if not learner.recall(entry.facts["learned"]):
            return None
        walk.tolerance.recall(entry.facts)
        walk.tolerance.end()
        kept = TypeAdapter(list[list[str]]).validate_python(entry.facts["kept"])
        for number, (file, names) in enumerate(zip(indexed, kept, strict=True)):
            file.recall({name: entry[f"{name}_{number}"] for name in names})
    firsts = TypeAdapter(list[int]).validate_python(entry.facts["firsts"])
    return Index(entry["places"], entry["numbers"], firsts, entry)


def _write(draft: Draft, blocks: Iterator[Block]) -> None:
    """Both columns, in as few bytes as their values take."""
    with draft.growing(_WIDE, np.int64, (2,)) as growing:
        for block in blocks:
            growing.append(block)
    wide = mapped(draft.folder / f"{_WIDE}.npy")
    for column, name in enumerate(("places", "numbers")):
        highest = max((int(part[:, column].max()) for part in _parts(wide)), default=0)
        lowest = min((int(part[:, column].min()) for part in _parts(wide)), default=0)
        dtype = np.uint32 if 0 <= lowest <= highest < 1 << 32 else np.int64
        with draft.growing(name, dtype) as growing:
            for part in _parts(wide):
                growing.append(part[:, column])
    del wide
    (draft.folder / f"{_WIDE}.npy").unlink()


def _parts(wide: NDArray[np.generic]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(wide), AT_ONCE):
        yield wide[start : start + AT_ONCE].astype(np.int64, copy=False)
