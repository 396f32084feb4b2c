"""TFRecord files, read by record and written, without TensorFlow.

https://www.tensorflow.org/tutorials/load_data/tfrecord: each record's length and its bytes, both with a checksum. A
record that is damaged is known as such; where a length is, nothing behind it can be found.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from zoo_common.containers.crc32c import masked_crc32c
from zoo_common.data.base import Split
from zoo_common.data.files import expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.tf_example import Values, read_example, write_example
from zoo_common.data.unpacked import open_unpacked
from zoo_common.files import explained
from zoo_spec.data import TfRecordData
from zoo_spec.data.limits import RecordLimits
from zoo_spec.data.records import Features
from zoo_spec.reading import UnreadableFileError, open_file, reading

_HEAD, _TAIL = 12, 4
"""Bytes before a record, its length and that one's checksum, and behind it, its own."""


class TfRecordFile(IndexedFile):
    """One file; a packed one is unpacked as a whole."""

    def __init__(self, path: str, limits: RecordLimits) -> None:
        """Opens it; raises InputError for one that is missing, empty, or packed and damaged."""
        self.path, self._limits = path, limits
        with open_file(path) as file, reading(path):
            is_plain = _is_length(file.read(_HEAD))
        self._file = open_file(path) if is_plain else open_unpacked(path, limits, zlib_too=True)
        self.size = Path(path).stat().st_size
        self._end = self._file.seek(0, os.SEEK_END)

    def places(self) -> Iterator[Place]:
        """Where each record begins; raises InputError for a length that is damaged, or ends beyond the file."""
        at, number = 0, 0
        while at < self._end:
            number += 1
            yield at, number
            at += _HEAD + self._length(at, number) + _TAIL

    def read(self, place: Place) -> Features:
        """The example there; raises InputError where its checksum is another, or it is no example."""
        at, number = place
        length = self._length(at, number)
        self._file.seek(at + _HEAD)
        data = self._file.read(length + _TAIL)
        if len(data) < length + _TAIL:
            raise self._wrong(number, "is cut short; the file has changed while it was read")
        if masked_crc32c(data[:length]) != int.from_bytes(data[length:], "little"):
            raise self._wrong(number, "is damaged: its checksum is another; copy the file again")
        try:
            return Features(f"{self.path}:{number}", read_example(data[:length]))
        except ValueError as error:
            raise self._wrong(number, f"is no tf.train.Example: {error}") from None

    def passed(self, place: Place) -> int:
        """As much of the file as of what it unpacks to."""
        return place[0] * self.size // self._end

    def _length(self, at: int, number: int) -> int:
        self._file.seek(at)
        head = self._file.read(_HEAD)
        if len(head) < _HEAD:
            raise self._wrong(number, f"is cut short at byte {at:,}; copy the file again")
        length = int.from_bytes(head[:8], "little")
        if not _is_length(head):
            what = "is no TFRecord" if not at else "is damaged: the checksum of its length is another"
            raise self._wrong(number, f"{what} (byte {at:,}); copy the file again, or give one of this form")
        if length > self._limits.record_bytes:
            remedy = self._limits.remedy("record_bytes")
            raise self._wrong(
                number, f"has {length:,} bytes, and {self._limits.record_bytes:,} are the most; {remedy}"
            )
        if at + _HEAD + length + _TAIL > self._end:
            raise self._wrong(number, f"would end beyond the file's {self._end:,} bytes; copy the file again")
        return int(length)

    def _wrong(self, number: int, what: str) -> UnreadableFileError:
        return UnreadableFileError(self.path, f"record {number} {what}")


def _is_length(head: bytes) -> bool:
    return len(head) == _HEAD and masked_crc32c(head[:8]) == int.from_bytes(head[8:], "little")


def write_tfrecords(path: str | Path, examples: Iterable[Mapping[str, Values]]) -> int:
    """Write examples, features by name, and give their number. Raises InputError where the file cannot be written."""
    count = 0
    with explained("write", Path(path)), open(path, "wb") as file:
        for example in examples:
            data = write_example(example)
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc32c(length)))
            file.write(data + struct.pack("<I", masked_crc32c(data)))
            count += 1
    return count


@read_records.register
def _read(data: TfRecordData, split: Split, look: Look) -> FileRecords:
    return FileRecords(
        data, [TfRecordFile(path, data.limits) for path in expanded(data.files_of(split))], look
    )
