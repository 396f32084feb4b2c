"""BERTSUM's shards as texts with summaries: a file of JSON is read whole, and is some ten million bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from pydantic import JsonValue

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import decoded, expanded
from zoo_common.data.json_keys import RepeatedKeyError, once
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.cells import unicode_of
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data.bertsum_shards import BertSumShards
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.records import SummarizedText
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, reading

_HELD = 4
"""Shards that are kept parsed: examples are asked for in any order."""


class Shard:
    """One file."""

    def __init__(self, path: str, limits: TextLimits) -> None:
        self.path, self._limits = path, limits
        with reading(path):
            self.size = Path(path).stat().st_size

    def places(self) -> Iterator[Place]:
        """Every item of its list."""
        count = len(self._items())
        if not count:
            raise UnreadableFileError(self.path, "the list is empty; give a shard with documents in it")
        yield from ((index, index + 1) for index in range(count))

    def read(self, place: Place) -> SummarizedText:
        """One item; InputError, naming its number, where it has no ``src`` and ``tgt`` as they are to be."""
        index, number = place
        items, where = self._items(), f"{self.path}, document {number}"
        if index >= len(items):
            raise UnreadableFileError(self.path, "has changed while it was read; begin again")
        item = items[index]
        if isinstance(item, RepeatedKeyError):
            raise InputError(f"{where}: {item}")
        if not isinstance(item, dict):
            raise InputError(
                f"{where}: is no object with src and tgt; write it as BERTSUM's preprocess.py does"
            )
        return SummarizedText(where, _sentences(item, "src", where), _sentences(item, "tgt", where))

    def _items(self) -> list[object]:
        return _parsed(self.path, Path(self.path).stat().st_mtime_ns, self._limits)


def _sentences(item: dict[str, object], key: str, where: str) -> tuple[str, ...]:
    found = item.get(key)
    if not isinstance(found, list) or not all(
        isinstance(sentence, list) and all(isinstance(token, str) for token in sentence) for sentence in found
    ):
        raise InputError(
            f"{where}: {key} is no list of lists of tokens; write it as BERTSUM's preprocess.py does"
        )
    sentences = tuple(unicode_of(" ".join(sentence), key, where) for sentence in found if sentence)
    if not sentences:
        raise InputError(f"{where}: {key} has no sentence; leave the document out")
    return sentences


@lru_cache(maxsize=_HELD)
def _parsed(path: str, time: int, limits: TextLimits) -> list[object]:
    most = limits.document_bytes
    with closing(open_unpacked(path, limits)) as file, reading(path):
        data = file.read(most + 1)
    if len(data) > most:
        raise UnreadableFileError(
            path, f"is longer than {most:,} bytes, and is read as a whole; {limits.remedy('document_bytes')}"
        )
    text = decoded(data, path, "convert the file to UTF-8")
    with reading(path, "JSON", remedy="give the shards that BERTSUM's preprocess.py writes"):
        found = json.loads(text, object_pairs_hook=_item)
    if not isinstance(found, list):
        raise UnreadableFileError(path, "is no list of documents; give what BERTSUM's preprocess.py writes")
    return found


def _item(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue] | RepeatedKeyError:
    """A document, or what is wrong with it, for whoever asks for it."""
    try:
        return once(pairs)
    except RepeatedKeyError as error:
        return error


@sources.register
def _files(data: BertSumShards) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]


@read_records.register
def _read(data: BertSumShards, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    return FileRecords(data, [Shard(path, data.limits) for path in expanded(paths)], look)
