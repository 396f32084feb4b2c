"""Sources of records: opened by a spec's data, for each kind registered on its class, ``@read_records.register``.

A plugin does so with its own, and mostly gives ``RecordFile``s to ``FileRecords``. What is held out, and what becomes
of records that cannot be read, is the same for all sources and decided here. What examples are made of the records is
the task's business (``zoo_common.data.examples``), which knows the kinds of record and no source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import singledispatch
from pathlib import Path
from threading import Lock
from typing import Protocol, SupportsInt

from zoo_common.data.base import SPLITS, DataDescription, Split
from zoo_common.data.held_out import HeldOut
from zoo_common.data.kept_records import KeptRecords
from zoo_common.data.reader import Wanted, unread
from zoo_common.data.record_files import (
    AnyRecord,
    IndexedFile,
    Learner,
    Look,
    Place,
    RecordFile,
    Tolerance,
)
from zoo_common.data.record_index import Keeping, index_of, kept_in
from zoo_common.data.unpacked import unpacked_in
from zoo_spec.data import Data, SourceData
from zoo_spec.data.records import Record
from zoo_spec.errors import InputError
from zoo_spec.reading import reading

__all__ = [
    "AnyRecord",
    "Chosen",
    "FileRecords",
    "IndexedFile",
    "Learner",
    "Look",
    "Numbers",
    "Place",
    "RecordFile",
    "Records",
    "Tolerance",
    "open_records",
    "read_records",
]


class Records(Protocol):
    """Records by number, from any thread; nothing but where each one stands is held."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Record:
        """One of them, read now; raises InputError if it cannot be any more."""

    def description(self) -> DataDescription:
        """What they are read from; of samples and their size it says nothing."""


class FileRecords:
    """The records of files, in their order; where each stands is known, and nothing else of it is held.

    All are read once, and ``look`` is shown each, when the first of these is made of the files for a run; those that
    are made later of ``IndexedFile``s know that by what the run keeps.
    """

    def __init__(
        self, data: Data, files: Sequence[RecordFile], look: Look, *, libraries: tuple[str, ...] = ("numpy",)
    ) -> None:
        """Raises InputError for the first record that is wrong, or where ``data`` skips these, for too many."""
        self._files, self._libraries = list(files), libraries
        self._lock = Lock()
        self._index = index_of(data, self._files, look)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Record:
        """One record, read now."""
        number, place = self._index.place(index)
        file = self._files[number]
        with self._lock, reading(file.path):
            return file.read(place)

    def description(self) -> DataDescription:
        """The files and their sizes."""
        paths = [file.path for file in self._files]
        source = paths[0] if len(paths) == 1 else f"{len(paths)} files ({paths[0]}, …)"
        return DataDescription(
            source, 0, sum(file.size for file in self._files), 0, libraries=self._libraries
        )


class Numbers(Protocol):
    """Numbers of records; an array of them will do."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> SupportsInt:
        """One of them."""


class Chosen:
    """Some of the records, by number."""

    def __init__(self, records: Records, numbers: Numbers) -> None:
        self._records, self._numbers = records, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Record:
        """One of them."""
        return self._records[int(self._numbers[index])]

    def description(self) -> DataDescription:
        """That of all of them."""
        return self._records.description()


@singledispatch
def read_records(data: Data, split: Split, look: Look) -> Records:
    """The records of the files that a part of the data is of, all of which have been read once.

    Where a source has none for evaluation of its own (``SourceData.has_evaluation``) these are the same for both
    parts. ``look`` is shown every record in its order. Raises InputError, naming the place, for files that are
    missing, damaged or of another form; EnvironmentFault for a kind that nobody has registered.
    """
    raise unread(data)


def open_records(data: Data, split: Split, look: Look | Learner, wanted: Wanted | None = None) -> Records:
    """The records of one part of the data, shown to ``look`` with those held out. Errors as of ``read_records``.

    What a ``Learner`` learns is kept beside the run that they are ``wanted`` for, with where each record stands; on
    a later start it recalls that, and none is read. Of data that were prepared (``data.prepared``) they are those of
    that directory, whatever files there are.
    """
    if isinstance(data, SourceData) and data.prepared is not None:
        found = _prepared(data, Path(data.prepared), split, look, wanted)
    else:
        found = _opened(data, split, look, wanted)
    if (gathering := _GATHERING.get()) is not None:
        gathering.append((split, found))
    return found


def _prepared(
    data: SourceData, folder: Path, split: Split, look: Look | Learner, wanted: Wanted | None
) -> Records:
    """Where a source has none for evaluation of its own, all are looked at, as they are where they are read."""
    own = split if data.has_evaluation or data.evaluation is not None else "train"
    keeping = _keeping(wanted, look, own)
    if keeping is None or not keeping.recalls():
        both = data.evaluation is None and not data.has_evaluation
        for part in SPLITS if both else (split,):
            records = KeptRecords.of(folder, part)
            for index in range(len(records)):
                (look.look if isinstance(look, Learner) else look)(records[index])
    return KeptRecords.of(folder, split)


_GATHERING: ContextVar[list[tuple[Split, Records]] | None] = ContextVar("gathering", default=None)


@contextmanager
def gathered() -> Iterator[list[tuple[Split, Records]]]:
    """All records that are opened in here, and the part of the data that they are of."""
    found: list[tuple[Split, Records]] = []
    token = _GATHERING.set(found)
    try:
        yield found
    finally:
        _GATHERING.reset(token)


def _opened(data: Data, split: Split, look: Look | Learner, wanted: Wanted | None) -> Records:
    if isinstance(data, SourceData) and data.evaluation is not None:
        return _some_of_two(data, data.evaluation, split, look, wanted)
    # Without records of its own for evaluation a source has the same for both parts.
    own: Split = split if not isinstance(data, SourceData) or data.has_evaluation else "train"
    records = _read(data, split, look, _keeping(wanted, look, own))
    if not isinstance(data, SourceData) or data.has_evaluation:
        return _some(records, len(records), data, split)
    chosen = HeldOut(len(records), data).of(split)
    return _some(Chosen(records, chosen), len(records), data, split)


def _some_of_two(
    data: SourceData, evaluation: Data, split: Split, look: Look | Learner, wanted: Wanted | None
) -> Records:
    """All of one source to train on, and of another to evaluate on, or what it has for evaluation."""
    found = data if split == "train" else evaluation
    records = _read(found, split, look, _keeping(wanted, look, split))
    return _some(records, len(records), found, split)


def _keeping(wanted: Wanted | None, look: Look | Learner, part: Split) -> Keeping | None:
    return None if wanted is None or not isinstance(look, Learner) else Keeping.of(wanted, look, part)


def _read(data: Data, split: Split, look: Look | Learner, keeping: Keeping | None) -> Records:
    with kept_in(keeping), unpacked_in(None if keeping is None else keeping.unpacked):
        return read_records(data, split, look.look if isinstance(look, Learner) else look)


def _some(records: Records, count: int, data: Data, split: Split) -> Records:
    if len(records):
        return records
    doing, source = "evaluate on" if split == "eval" else "train on", records.description().source
    if not count:
        raise InputError(f"{source}: has no record to {doing}; give files with some")
    fraction = f"{data.evaluation_fraction:g}" if isinstance(data, SourceData) else "0"
    raise InputError(
        f"{source}: {count} record(s), of which data.evaluation_fraction {fraction} leaves none to {doing}; "
        "name records to evaluate on, or give more"
    )
