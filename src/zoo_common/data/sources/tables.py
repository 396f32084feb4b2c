"""Tables that are given where running text is read: every label, header and bracket would be learned as text."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zoo_spec.errors import InputError

_SUFFIXES = {".tsv": "TSV", ".csv": "CSV", ".jsonl": "JSON lines", ".ndjson": "JSON lines", ".json": "JSON"}
_ROWS = 200
LOOKED_AT = 4 * _ROWS
"""Lines of a file that are looked at."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def refuse_table(text: str, path: str) -> None:
    """Raise InputError for what is a table by its name or by the form of its first lines."""
    why = _kind(text, path)
    if why:
        raise InputError(
            f"{path}: looks like a table ({why}), and data of kind 'text' is running text: its columns, labels and "
            "header would be learned as text; put the text alone into a file, a sentence or a paragraph a line "
            "(data.layout), or learn from its labels with data of kind 'text_table'; "
            "if it is meant to be learned as it is, set data.tables to as_text"
        )


def _kind(text: str, path: str) -> str:
    """What kind of table it is, and how that shows; empty if it is none."""
    suffix = Path(path).suffix.lower()
    if suffix in _SUFFIXES:
        return f"a file called {suffix}"
    lines = [line for line in text.split("\n", LOOKED_AT)[:LOOKED_AT] if line.strip()][:_ROWS]
    if _is_json(lines):
        return "its lines are JSON"
    tabs = _common([line.count("\t") for line in lines])
    if tabs and len(lines) > 1 and not all(line.startswith("\t") for line in lines):
        return f"TSV: {tabs} tabs in a line"
    for separator, name in ((",", "commas"), (";", "semicolons")):
        fields = _fields(lines, separator) if len(lines) > 2 else 0
        if fields > 1:
            return f"CSV: {fields} fields between {name} in a line"
    return ""


def _common(counts: Sequence[int]) -> int:
    """The number that next to all are (published tables have a few broken lines); 0 if there is none."""
    if not counts:
        return 0
    number, times = Counter(counts).most_common(1)[0]
    return number if times >= 0.95 * len(counts) else 0


def _is_json(lines: Sequence[str]) -> bool:
    """Whether all lines are objects or lists of JSON, or the first begins a document of it."""
    first = lines[0].strip() if lines else ""
    if first in ("[", "{", "[{") or re.match(r'\{\s*"[^"]*"\s*:', first):
        return True
    return bool(lines) and all(_is_list(line) for line in lines)


def _is_list(line: str) -> bool:
    try:
        return line.lstrip().startswith("[") and isinstance(json.loads(line), list)
    except (ValueError, RecursionError):
        return False


def _fields(lines: Sequence[str], separator: str) -> int:
    """How many fields the lines have in common; 0 where separators have a space behind, as in prose."""
    plain = [_THOUSANDS.sub("", line) for line in lines]
    spaced = [f"{separator} " in _QUOTED.sub("", line) for line in plain]
    if sum(spaced) > 0.05 * len(lines):
        return 0
    try:
        # The last row may have been cut within quotes.
        return _common(
            [len(row) for row in csv.reader(plain, delimiter=separator)][
                : -1 if len(lines) == _ROWS else None
            ]
        )
    except csv.Error:
        return 0
