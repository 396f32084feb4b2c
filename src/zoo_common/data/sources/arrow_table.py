"""Tables of Parquet and of Arrow (both its file and its stream), row by row in any order, by ``pyarrow``.

The wanted columns are copied once, a part at a time, to a temporary file that is mapped into memory: a row of Parquet
costs the decompression of a hundred thousand others, and who maps a file that somebody else shortens is ended by the
system without a word.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import Place
from zoo_common.data.sources.cells import TableForm, cell_at, some_names
from zoo_common.data.unpacked import keep, open_unpacked
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra
from zoo_spec.reading import UnreadableFileError, reading

if TYPE_CHECKING:
    import pyarrow

    from zoo_common.data.sources.table_files import MakeRecord
    from zoo_spec.data.records import Record

_ROWS = 1024
"""Copied at a time."""
_FILE = b"ARROW1"
"""What a file of Arrow begins with, and a stream of it does not."""


Wanted = Callable[[Sequence[str]], list[str]]
"""Chooses of a table's columns."""


class ArrowTableFile(IndexedFile):
    """The rows of one file."""

    def __init__(self, path: str, form: TableForm, record: MakeRecord) -> None:
        """Copies its wanted columns; raises InputError for a file that is damaged, too large or lacks a column."""
        require_extra("pyarrow", library="pyarrow", extra="tables", what="a table of Parquet or Arrow")
        self.path, self._form, self._record = path, form, record
        written = form.format_of(path)
        self._held = tempfile.NamedTemporaryFile(prefix="zoo-table-")  # noqa: SIM115
        with (
            closing(open_unpacked(path, form.limits)) as file,
            reading(path, "pyarrow", remedy=f"get the file again, or set data.format if it is no {written}"),
        ):
            self.size = Path(path).stat().st_size
            self._copy(file, is_parquet=written == "parquet")
            self._table = self._mapped()
        if not self._table.num_rows:
            raise UnreadableFileError(path, f"has no row; give {form.what}")
        self._columns = dict(zip(self._table.column_names, self._table.columns, strict=True))

    def places(self) -> Iterator[Place]:
        """The numbers of the rows."""
        return ((index, index + 1) for index in range(self._table.num_rows))

    def read(self, place: Place) -> Record:
        """One row."""
        index, number = place
        where = f"{self.path}: row {number}"
        row = {name: column[index].as_py() for name, column in self._columns.items()}
        try:
            cells = [cell_at(row, str(column)) for column in self._form.columns]
        except KeyError as error:
            raise InputError(f"{where} has no {error.args[0]!r}; name what there is in it") from None
        return self._record(cells, where)

    def _copy(self, file: BinaryIO, *, is_parquet: bool) -> None:
        from pyarrow import PythonFile, ipc

        limits, size = self._form.limits, 0
        schema, parts = (_parquet if is_parquet else _arrow)(file, self._wanted)
        with ipc.new_file(PythonFile(_Sink(self._held), "w"), schema) as writer:
            for part in parts:
                size += part.nbytes
                if size > limits.unpacked_bytes:
                    raise UnreadableFileError(
                        self.path,
                        f"unpacks to more than {limits.unpacked_bytes:,} bytes, which are the most; "
                        f"{limits.remedy('unpacked_bytes')}",
                    )
                part.validate(full=True)
                writer.write_batch(part)

    def _wanted(self, names: Sequence[str]) -> list[str]:
        """The columns that a table has of those that are read; of a path, its beginning."""
        found = []
        for column in map(str, self._form.columns):
            parts = column.split(".")
            beginnings = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
            name = next((name for name in beginnings if name in names), None)
            if name is None:
                raise UnreadableFileError(
                    self.path, f"has no column {column!r}; its columns are {some_names(names)}"
                )
            if names.count(name) > 1:
                raise UnreadableFileError(self.path, f"has {names.count(name)} columns {name!r}; keep one")
            found.append(name)
        return list(dict.fromkeys(found))

    def _mapped(self) -> pyarrow.Table:
        from pyarrow import ipc, memory_map

        self._held.flush()
        return ipc.open_file(memory_map(self._held.name)).read_all()


class _Sink:
    """What Arrow writes to, and a full disk is told by."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, part: bytes) -> int:
        """Write it."""
        keep(part, self._file)
        return len(part)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """The file is another's."""


def _parquet(file: BinaryIO, wanted: Wanted) -> tuple[pyarrow.Schema, Iterator[pyarrow.RecordBatch]]:
    from pyarrow.parquet import ParquetFile

    found = ParquetFile(file)
    names = wanted(found.schema_arrow.names)
    parts = found.iter_batches(_ROWS, columns=names, use_threads=False)
    schema = found.schema_arrow.empty_table().select(names).schema
    return schema, (part.select(names) for part in parts)


def _arrow(file: BinaryIO, wanted: Wanted) -> tuple[pyarrow.Schema, Iterator[pyarrow.RecordBatch]]:
    from pyarrow import ipc

    is_file = file.read(len(_FILE)) == _FILE
    file.seek(0)
    found = ipc.open_file(file) if is_file else ipc.open_stream(file)
    names = wanted(found.schema.names)
    parts = (
        (found.get_batch(number) for number in range(found.num_record_batches)) if is_file else iter(found)
    )
    return found.schema.empty_table().select(names).schema, (part.select(names) for part in parts)
