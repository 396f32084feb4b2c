"""ArrayRecord files of examples, through the library whose format it is."""

from __future__ import annotations

import os
from collections.abc import Iterator

from zoo_common.data.base import Split
from zoo_common.data.files import existing_file, expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.tf_example import read_example
from zoo_spec.data import ArrayRecordData
from zoo_spec.data.limits import RecordLimits
from zoo_spec.data.records import Features
from zoo_spec.importing import require_extra
from zoo_spec.reading import UnreadableFileError, reading

_LIBRARY = "array_record"


class ArrayRecordFile(IndexedFile):
    """One file; the library knows a record that is damaged."""

    def __init__(self, path: str, limits: RecordLimits) -> None:
        """Opens it; raises InputError for what is none, EnvironmentFault where the library is missing."""
        require_extra("array_record.python.array_record_module", library=_LIBRARY, extra="records", what=path)
        from array_record.python.array_record_module import ArrayRecordReader

        self.path, self._limits = path, limits
        self.size = os.stat(existing_file(path)).st_size
        with reading(path, _LIBRARY):
            self._reader = ArrayRecordReader(os.fspath(path))
            self._count = int(self._reader.num_records())
        if not self._reader.ok():
            raise UnreadableFileError(
                path,
                "is no ArrayRecord, or its end is missing; copy the file again, or give one of this form",
            )

    def places(self) -> Iterator[Place]:
        """The records by number."""
        for index in range(self._count):
            yield index, index + 1

    def read(self, place: Place) -> Features:
        """The example there."""
        index, number = place
        with reading(f"{self.path}:{number}", _LIBRARY):
            found = self._reader.read([index])
        if not found:
            raise UnreadableFileError(self.path, f"record {number} cannot be read; copy the file again")
        try:
            return Features(f"{self.path}:{number}", read_example(bytes(found[0])))
        except ValueError as error:
            raise UnreadableFileError(self.path, f"record {number} is no tf.train.Example: {error}") from None


@read_records.register
def _read(data: ArrayRecordData, split: Split, look: Look) -> FileRecords:
    records = [ArrayRecordFile(path, data.limits) for path in expanded(data.files_of(split))]
    return FileRecords(data, records, look, libraries=(_LIBRARY, "numpy"))
