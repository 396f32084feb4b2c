"""What all tables say, whatever their rows are records of: how their files are written, and their columns.

A kind of table is a class that derives from the records' own (``LabelledTextData``, ``QuestionData``, …) and adds
``files``, ``format``, ``header``, ``evaluation_files`` and a field for each column, which ``check_table`` sees to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from zoo_spec.base import NonNegativeInt

TableFormat = Literal["tsv", "csv", "jsonl", "parquet", "arrow"]
SUFFIXES: dict[str, TableFormat] = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
"""What a file's name says of its format."""
_PACKED = (".gz", ".zst", ".xz", ".bz2")

Column = Annotated[str, Field(min_length=1)] | NonNegativeInt
"""A column by its name, or by its number from 0. In JSON lines, Parquet and Arrow a name may be a path into what a
column holds, ``answers.text``; of a list that is the list of what each item has there."""


def format_of(path: str, given: TableFormat | None) -> TableFormat:
    """How a file is written: as given, or as its name says; raises ValueError where that says nothing."""
    found = given or SUFFIXES.get(_suffix(path))
    if found is None:
        raise ValueError(
            f"the name of {path!r} does not say how it is written; set format to {', '.join(_FORMATS)}"
        )
    return found


def check_table(
    files: Sequence[str], columns: Sequence[Column], *, given: TableFormat | None, header: bool
) -> None:
    """Raise ValueError for files that do not say how they are written, and columns that their format has not."""
    for path in files:
        written = format_of(path, given)
        is_named = header or written not in ("tsv", "csv")
        wrong = [column for column in columns if isinstance(column, str) != is_named]
        if wrong and is_named and written not in ("tsv", "csv"):
            what = "JSON lines have" if written == "jsonl" else f"{written.capitalize()} has"
            raise ValueError(f"column {wrong[0]!r}: {what} names for columns; give one")
        if wrong and not is_named:
            raise ValueError(f"column {wrong[0]!r} is a name, and header is false; number the columns from 0")
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} is named twice; name each once")


_FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))


def _suffix(path: str) -> str:
    """What a name ends with, without what says that the file is packed."""
    for packed in _PACKED:
        path = path.removesuffix(packed)
    dot = path.rfind(".")
    return path[dot:].lower() if dot > max(path.rfind("/"), path.rfind("\\")) else ""
