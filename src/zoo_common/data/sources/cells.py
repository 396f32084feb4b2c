"""What stands in the cells of a table, and what of it a kind of record can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo_spec.data.limits import TextLimits
from zoo_spec.data.table import Column, TableFormat, format_of
from zoo_spec.errors import InputError

Cells = Sequence[object]
"""What a row has in the wanted columns, in their order: texts alone in TSV and CSV, what JSON has in JSON lines, and
in Parquet and Arrow bytes too."""

_KINDS: dict[type, str] = {
    str: "a text",
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
    bytes: "bytes",
    type(None): "nothing (null)",
}
_SHOWN = 20


@dataclass(frozen=True)
class TableForm:
    """How the files of a table are read, and which columns."""

    columns: tuple[Column, ...]
    limits: TextLimits
    format: TableFormat | None = None
    header: bool = True
    what: str = "a table"
    """What is expected, for messages."""
    more_fields: bool = False
    """Whether a row of TSV or CSV may have more fields than the first line: they are left out."""

    def format_of(self, path: str) -> TableFormat:
        """How a file is written."""
        return format_of(path, self.format)


def cell_at(row: Mapping[str, object], column: str) -> object:
    """What a row has in a column, which may be a path into one (``answers.text``); of a list each item's.

    Raises KeyError with the name that is not there.
    """
    if column in row:
        return row[column]
    head, _, rest = column.partition(".")
    if not rest or head not in row:
        raise KeyError(column)
    return _inside(row[head], rest, column)


def _inside(cell: object, path: str, column: str) -> object:
    if isinstance(cell, list):
        return [_inside(each, path, column) for each in cell]
    if cell is None:
        return None
    if not isinstance(cell, dict):
        raise KeyError(column)
    try:
        return cell_at(cell, path)
    except KeyError:
        raise KeyError(column) from None


def text_of(cell: object, column: Column, where: str) -> str:
    """A cell that holds a text with something in it, as it stands; InputError, naming the place, for others."""
    if not isinstance(cell, str):
        raise InputError(f"{where}: column {column!r} holds {kind_of(cell)}, and a text is expected")
    if not cell.strip():
        raise InputError(f"{where}: column {column!r} is empty; fill it in, or leave the line out")
    return unicode_of(cell, column, where)


def name_of(cell: object, column: Column, where: str) -> str:
    """A cell that holds a name, or a number or a truth value, as JSON would say it; it may be empty."""
    if isinstance(cell, str):
        return unicode_of(cell, column, where)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    raise InputError(f"{where}: column {column!r} holds {kind_of(cell)}, and a label is expected")


def list_of(cell: object, column: Column, where: str) -> list[object]:
    """A cell that holds a list."""
    if not isinstance(cell, list):
        raise InputError(f"{where}: column {column!r} holds {kind_of(cell)}, and a list is expected")
    return cell


def whole_number_of(cell: object, column: Column, where: str) -> int:
    """A cell that holds a whole number, or its digits."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    digits = cell.removeprefix("-") if isinstance(cell, str) else ""
    if digits.isascii() and digits.isdigit() and len(digits) < 19:
        return int(str(cell))
    shown = repr(cell) if isinstance(cell, str | float) else kind_of(cell)
    raise InputError(f"{where}: column {column!r} holds {shown}, and a whole number is expected")


def unicode_of(cell: str, column: Column, where: str) -> str:
    """The text; raises InputError where an escape made half a character of it."""
    if not cell.isascii():
        try:
            cell.encode("utf-8")
        except UnicodeEncodeError as error:
            half = ord(cell[error.start])
            raise InputError(
                f"{where}: column {column!r} has half a character, \\u{half:04x}; mend the escape"
            ) from None
    return cell


def kind_of(cell: object) -> str:
    """What a cell holds, in words."""
    return _KINDS.get(type(cell), f"a {type(cell).__name__}")


def some_names(names: Sequence[str]) -> str:
    """The names, or the first of many."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
