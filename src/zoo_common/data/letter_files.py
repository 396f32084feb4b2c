"""Letters out of files: fairseq's ``dict.ltr.txt``, and the ``vocab.json`` of ``transformers``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue

from zoo_common.data.files import decoded, read_vocabulary_bytes
from zoo_common.data.letters import SPECIALS, Letters
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError


def read_letters(path: Path, limits: TextLimits) -> Letters:
    """The letters of a file; InputError, naming it, for one that has none."""
    raw = read_vocabulary_bytes(path, limits)
    is_json = path.suffix == ".json"
    names = _names_of_json(raw, path) if is_json else [*SPECIALS, *fairseq_symbols(raw, path)]
    try:
        return Letters(names)
    except InputError as error:
        raise UnreadableFileError(path, str(error)) from None


def fairseq_symbols(raw: bytes, path: Path) -> list[str]:
    """The symbols of a fairseq dictionary, ``SYMBOL COUNT`` a line, in its order; their ids begin behind SPECIALS."""
    symbols = []
    lines = decoded(raw, path, "convert the file to UTF-8").split("\n")
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r").removesuffix(" #fairseq:overwrite")
        if not line and number == len(lines):
            continue
        symbol, _, count = line.rpartition(" ")
        if not symbol or not count.isascii() or not count.isdigit():
            raise UnreadableFileError(
                path, f"line {number} is {line[:40]!r}, and a symbol, a space and its count are expected"
            )
        symbols.append(symbol)
    return symbols


def _names_of_json(raw: bytes, path: Path) -> list[str]:
    try:
        found: JsonValue = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    ids = sorted(found.items(), key=lambda each: str(each[1]).zfill(9)) if isinstance(found, dict) else []
    if not ids or [index for _, index in ids] != list(range(len(ids))):
        raise UnreadableFileError(
            path, "is no object of symbols with the ids from 0 on; give the vocab.json of a model"
        )
    return [symbol for symbol, _ in ids]
