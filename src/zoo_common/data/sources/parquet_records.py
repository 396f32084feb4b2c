"""Examples in Parquet files, a column for each feature: a number or a list of numbers a row."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Split
from zoo_common.data.files import existing_file, expanded
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_spec.data import ParquetRecordData
from zoo_spec.data.limits import RecordLimits
from zoo_spec.data.records import Features
from zoo_spec.importing import require_extra
from zoo_spec.reading import UnreadableFileError, reading

if TYPE_CHECKING:
    from pyarrow import DataType, Table

_LIBRARY = "pyarrow"


class ParquetRecordFile(IndexedFile):
    """One file; the group of rows that was read last is held."""

    def __init__(self, path: str, limits: RecordLimits) -> None:
        """Opens it; raises InputError for what is none, EnvironmentFault where the library is missing."""
        require_extra("pyarrow.parquet", library=_LIBRARY, extra="tables", what=path)
        from pyarrow.parquet import ParquetFile

        self.path, self._limits = path, limits
        self.size = os.stat(existing_file(path)).st_size
        with reading(path, _LIBRARY):
            # Every page has a checksum if its writer gave it one; without, a flipped bit is another number.
            self._file = ParquetFile(path, page_checksum_verification=True)
            about = self._file.metadata
            names = [field.name for field in self._file.schema_arrow if _is_of_numbers(field.type)]
            groups = [about.row_group(number) for number in range(about.num_row_groups)]
        if not names:
            raise UnreadableFileError(
                path, "has no column of numbers; write each feature as one, or as one of lists of them"
            )
        if len(set(names)) < len(names):
            raise UnreadableFileError(path, "has two columns of one name; keep one")
        self._names = names
        for number, group in enumerate(groups):
            # Equal values take next to nothing in the file, and eight bytes each in memory.
            values = 8 * sum(group.column(column).num_values for column in range(group.num_columns))
            size = max(group.total_byte_size, values)
            if size > 64 * limits.record_bytes:
                raise UnreadableFileError(
                    path,
                    f"has a group of rows, {number}, of {size:,} bytes, and "
                    f"{64 * limits.record_bytes:,} are the most; {limits.remedy('record_bytes')}",
                )
        self._starts = [0, *accumulate(group.num_rows for group in groups)]
        self._held: tuple[int, Table] | None = None

    def places(self) -> Iterator[Place]:
        """The rows by number."""
        for index in range(self._starts[-1]):
            yield index, index + 1

    def read(self, place: Place) -> Features:
        """One row."""
        index, number = place
        group = bisect_right(self._starts, index) - 1
        with reading(f"{self.path}:{number}", _LIBRARY):
            if self._held is None or self._held[0] != group:
                self._held = (group, self._file.read_row_group(group, columns=self._names))
            table, row = self._held[1], index - self._starts[group]
            cells = {name: table.column(name)[row].as_py() for name in self._names}
        # A row that has nothing in a column has not this feature; whoever needs it says so.
        values = {name: self._numbers(cell, name, number) for name, cell in cells.items() if cell is not None}
        return Features(f"{self.path}:{number}", values)

    def _numbers(self, cell: object, name: str, number: int) -> NDArray[np.generic]:
        try:
            found = np.asarray(cell)
        except ValueError:
            raise UnreadableFileError(
                self.path, f"row {number} has lists of unequal lengths as {name!r}; give them one length"
            ) from None
        if found.dtype.kind not in "iufb":
            raise UnreadableFileError(
                self.path, f"row {number} has nothing (null) as {name!r}; fill it in, or leave the row out"
            )
        return found


def _is_of_numbers(kind: DataType) -> bool:
    """Whether a column holds numbers, or lists of them."""
    from pyarrow import types

    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


@read_records.register
def _read(data: ParquetRecordData, split: Split, look: Look) -> FileRecords:
    records = [ParquetRecordFile(path, data.limits) for path in expanded(data.files_of(split))]
    return FileRecords(data, records, look, libraries=("numpy", _LIBRARY))
