"""Sources of records: opened by a spec's data, for each kind registered on its class, ``@read_records.register``.

A plugin does so with its own, and mostly gives ``RecordFile``s to ``FileRecords``. What is held out, and what becomes
of records that cannot be read, is the same for all sources and decided here. What examples are made of the records is
the task's business (``zoo_common.data.examples``), which knows the kinds of record and no source.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial, singledispatch
from threading import Lock
from typing import Protocol, SupportsInt

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.held_out import HeldOut
from zoo_common.data.reader import unread
from zoo_common.log import LOG
from zoo_spec.data import Data, SourceData
from zoo_spec.data.records import Record
from zoo_spec.errors import InputError
from zoo_spec.reading import reading

Look = Callable[[Record], None]
"""Is shown a record; raises InputError for what it cannot be."""
Place = tuple[int, int]
"""Where a record begins, in whatever its file counts by, and its line or number as people count, from 1."""
_TOLD = 5
"""Records left out that are logged one by one."""


class Records(Protocol):
    """Records by number, from any thread; nothing but where each one stands is held."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Record:
        """One of them, read now; raises InputError if it cannot be any more."""

    def description(self) -> DataDescription:
        """What they are read from; of samples and their size it says nothing."""


class RecordFile(Protocol):
    """An opened file of records in a format; its errors are InputError and name the file and the line or number.

    One that stands for a whole folder, or is held in memory, is one too.
    """

    @property
    def path(self) -> str:
        """What messages call it."""

    @property
    def size(self) -> int:
        """Bytes as they lie on the disk."""

    def places(self) -> Iterator[Place]:
        """Where each record begins, without reading more of it than that takes."""

    def read(self, place: Place) -> Record:
        """The record there; raises InputError for one that is damaged, or if the file is another by now."""


class Tolerance:
    """What becomes of the records of a source that cannot be read: ``data.on_bad_record``."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.good, self.bad = 0, 0

    def takes(self, check: Callable[[], object]) -> bool:
        """Whether a record is a good one; raises its InputError where none may be bad."""
        data = self._data
        try:
            check()
        except InputError as error:
            if not isinstance(data, SourceData) or data.on_bad_record == "fail":
                raise
            self.bad += 1
            if self.bad <= _TOLD:
                LOG.warning(f"left out: {error}")
            return False
        self.good += 1
        return True

    def end(self) -> None:
        """After the last record; raises InputError if too many were bad."""
        data, count = self._data, self.good + self.bad
        if not self.bad or not isinstance(data, SourceData):
            return
        said = f"{self.bad:,} of {count:,} records could not be read and were left out"
        if self.bad > data.bad_records * count:
            raise InputError(
                f"{said}, more than data.bad_records {data.bad_records:g} allows; mend them, or raise it"
            )
        LOG.warning(said)


class FileRecords:
    """The records of files, in their order; all are read once when it is made, and ``look`` is shown each."""

    def __init__(
        self, data: Data, files: Sequence[RecordFile], look: Look, *, libraries: tuple[str, ...] = ("numpy",)
    ) -> None:
        """Raises InputError for the first record that is wrong, or where ``data`` skips these, for too many."""
        self._files, self._libraries = list(files), libraries
        self._places, self._numbers = array("q"), array("q")
        self._firsts: list[int] = []
        self._lock = Lock()
        tolerance = Tolerance(data)
        for file in self._files:
            self._firsts.append(len(self._places))
            with reading(file.path):
                places, numbers = array("q"), array("q")
                for at, number in file.places():
                    places.append(at)
                    numbers.append(number)
                for at, number in zip(places, numbers, strict=True):
                    if tolerance.takes(partial(_show, look, file, (at, number))):
                        self._places.append(at)
                        self._numbers.append(number)
        tolerance.end()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Record:
        """One record, read now."""
        file = self._files[bisect_right(self._firsts, index) - 1]
        with self._lock, reading(file.path):
            return file.read((self._places[index], self._numbers[index]))

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


def _show(look: Look, file: RecordFile, place: Place) -> None:
    look(file.read(place))


@singledispatch
def read_records(data: Data, split: Split, look: Look) -> Records:
    """The records of the files that a part of the data is of, all of which have been read once.

    Where a source has none for evaluation of its own (``SourceData.has_evaluation``) these are the same for both
    parts. ``look`` is shown every record in its order. Raises InputError, naming the place, for files that are
    missing, damaged or of another form; EnvironmentFault for a kind that nobody has registered.
    """
    raise unread(data)


def open_records(data: Data, split: Split, look: Look) -> Records:
    """The records of one part of the data; ``look`` is shown those held out too. Errors as of ``read_records``."""
    if isinstance(data, SourceData) and data.evaluation is not None:
        return _some_of_two(data, data.evaluation, split, look)
    records = read_records(data, split, look)
    if not isinstance(data, SourceData) or data.has_evaluation:
        return _some(records, len(records), data, split)
    chosen = HeldOut(len(records), data).of(split)
    return _some(Chosen(records, chosen), len(records), data, split)


def _some_of_two(data: SourceData, evaluation: Data, split: Split, look: Look) -> Records:
    """All of one source to train on, and of another to evaluate on, or what it has for evaluation."""
    found = data if split == "train" else evaluation
    records = read_records(found, split, look)
    return _some(records, len(records), found, split)


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
