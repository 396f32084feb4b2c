"""Files of records in a format, and what becomes of a record in one that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from pydantic import JsonValue, TypeAdapter

from zoo_common.data.maps import AnyArray
from zoo_common.log import LOG
from zoo_spec.data import Data, SourceData
from zoo_spec.data.records import Record
from zoo_spec.errors import InputError

Look = Callable[[Record], None]
"""Is shown a record; raises InputError for what it cannot be."""
Place = tuple[int, int]
"""Where a record begins, in whatever its file counts by, and its line or number as people count, from 1."""
_TOLD = 5
"""Records left out that are logged one by one."""


@runtime_checkable
class Learner(Protocol):
    """What a maker of examples learns of records by looking at each of them, once."""

    @property
    def name(self) -> str:
        """Tells it from others that look at the same records for the same run."""

    def about(self) -> JsonValue:
        """What decides which records it takes, beside the spec's data and task."""

    def look(self, record: Record) -> None:
        """Meet a record; raises InputError for what it cannot be."""

    def learned(self) -> JsonValue:
        """What it knows by now."""

    def recall(self, learned: JsonValue) -> bool:
        """Know what it learned another time; False where that does not do, and records have to be looked at."""


class AnyRecord:
    """Takes all that can be read, and learns nothing."""

    name = "any"

    def about(self) -> JsonValue:
        """Nothing decides."""
        return None

    def look(self, record: Record) -> None:
        """It is taken."""

    def learned(self) -> JsonValue:
        """Nothing."""
        return None

    def recall(self, learned: JsonValue) -> bool:
        """There is nothing to know."""
        return True


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


class IndexedFile:
    """A ``RecordFile`` that is found again derives from it: its records are read by their places alone.

    Where they stand is kept beside a run, and a later start reads one without having asked for any place. The file
    then has to be what it was, which ``zoo_common.data.file_marks`` tells of those that the data's ``sources`` name.
    """

    def kept(self) -> Mapping[str, AnyArray]:
        """What was learned by giving all places and is needed to read; mostly nothing."""
        return {}

    def recall(self, kept: Mapping[str, AnyArray]) -> None:
        """Know what ``kept`` gave another time; mostly nothing."""
        assert not kept

    def passed(self, place: Place) -> int:
        """Bytes of the file that lie before a place, for whoever waits; 0 where nobody knows."""
        return 0


class Tolerance:
    """What becomes of the records of a source that cannot be read: ``data.on_bad_record``."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.good, self.bad = 0, 0

    @property
    def is_strict(self) -> bool:
        """Whether none may be bad."""
        return not isinstance(self._data, SourceData) or self._data.on_bad_record == "fail"

    def takes(self, check: Callable[[], object]) -> bool:
        """Whether a record is a good one; raises its InputError where none may be bad."""
        try:
            check()
        except InputError as error:
            if self.is_strict:
                raise
            self.bad += 1
            if self.bad <= _TOLD:
                LOG.warning(f"left out: {error}")
            return False
        self.good += 1
        return True

    @property
    def counts(self) -> dict[str, JsonValue]:
        """How many there were so far."""
        return {"good": self.good, "bad": self.bad}

    def recall(self, counts: Mapping[str, JsonValue]) -> None:
        """Know ``counts`` of another time."""
        known = TypeAdapter(dict[str, int]).validate_python({name: counts[name] for name in self.counts})
        self.good, self.bad = known["good"], known["bad"]

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
