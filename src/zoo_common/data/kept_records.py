"""Records of a prepared directory: all of a part of the data, so that the files it was read from are not needed.

They are an entry of the directory's store (``zoo_common.data.store``): ``bytes``, ``ends [records]`` where each one's
end, and ``heads [records]``, how many of its bytes are JSON (``zoo_common.data.record_bytes``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.entries import Draft, Entry, read_part, write_part
from zoo_common.data.record_bytes import class_named, from_bytes, to_bytes
from zoo_spec.data.records import Record

Part = Mapping[str, NDArray[np.generic]]


class Numbered(Protocol):
    """Records by number."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int) -> Record:
        """One of them."""

    def description(self) -> DataDescription:
        """What they are read from."""


def entry_name(split: Split) -> str:
    """What the entry of a part is called."""
    return f"kept_{split}"


class KeptRecords:
    """The records of a part as they were when the directory was prepared; each is mapped and read when asked for."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._bytes, self._ends, self._heads = entry["bytes"].view(np.uint8), entry["ends"], entry["heads"]
        self._kind = class_named(str(entry.facts["record"]))

    @classmethod
    def of(cls, folder: Path, split: Split) -> KeptRecords:
        """Those of a prepared directory's store; raises InputError for a damaged one."""
        return cls(Entry(folder / entry_name(split)))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Record:
        """One of them."""
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} records, and no record {index}")
        begin = int(self._ends[index - 1]) if index else 0
        return from_bytes(self._kind, self._bytes[begin : int(self._ends[index])], int(self._heads[index]))

    def description(self) -> DataDescription:
        """What they were read from; ``source_bytes`` are those that they take here."""
        said = TypeAdapter(dict[str, JsonValue]).validate_python(self._entry.facts["about"])
        return DataDescription(
            str(said["source"]),
            0,
            self._bytes.nbytes,
            0,
            notes=TypeAdapter(tuple[str, ...]).validate_python(said["notes"]),
        )


def part_of(records: Numbered, begin: int, end: int, channels: int) -> Part:
    """Records ``begin`` to ``end - 1`` as arrays."""
    found = [to_bytes(records[index], channels) for index in range(begin, end)]
    return {
        "bytes": np.frombuffer(b"".join(content for content, _ in found), np.uint8),
        "sizes": np.asarray([len(content) for content, _ in found], np.int64),
        "heads": np.asarray([head for _, head in found], np.int32),
    }


def write_parts(draft: Draft, names: Iterator[str]) -> None:
    """The entry's arrays of its parts, in their order."""
    end = 0
    with (
        draft.growing("bytes", np.uint8) as contents,
        draft.growing("ends", np.int64) as ends,
        draft.growing("heads", np.int32) as heads,
    ):
        for name in names:
            part = read_part(draft.part(name))
            assert part is not None
            contents.append(part["bytes"])
            heads.append(part["heads"])
            ends.append(end + np.cumsum(part["sizes"]))
            end += int(part["sizes"].sum())


def facts_of(records: Numbered) -> dict[str, JsonValue]:
    """What the entry says of them."""
    about = records.description()
    return {
        "record": type(records[0]).__name__,
        "about": {"source": about.source, "notes": list(about.notes), "libraries": list(about.libraries)},
    }


def write_one(path: Path, records: Numbered, begin: int, end: int, channels: int) -> None:
    """Keep a part where a draft has its place; in any process."""
    write_part(path, part_of(records, begin, end, channels))
