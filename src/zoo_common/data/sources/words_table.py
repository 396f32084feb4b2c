"""Tables with lists of words and of their tags."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import expanded
from zoo_common.data.record_index import kept_fact
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.cells import Cells, TableForm, list_of, text_of, whole_number_of
from zoo_common.data.sources.table_files import read_table
from zoo_common.data.sources.tags import Tagged, check_tag, in_iob2, scheme_of, told
from zoo_spec.data.records import LabelledWords
from zoo_spec.data.tagged_words import TagScheme
from zoo_spec.data.words_table import WordsTable
from zoo_spec.errors import InputError

Schemes = Mapping[str, TagScheme | None]
"""By file."""


def _as_it_stands(data: WordsTable, cells: Cells, where: str) -> LabelledWords:
    """The words and tags of a row."""
    words, tags = (list_of(*each, where) for each in zip(cells, (data.words, data.tags), strict=True))
    if len(words) != len(tags):
        raise InputError(
            f"{where}: column {data.words!r} has {len(words)} words, and {data.tags!r} {len(tags)} tags; give each "
            "word one"
        )
    names = tuple(_tag(data, tag, where) for tag in tags)
    for name in names:
        check_tag(name, data.scheme, where)
    return LabelledWords(where, tuple(text_of(word, data.words, where) for word in words), names)


def _tag(data: WordsTable, cell: object, where: str) -> str:
    if isinstance(cell, str):
        return text_of(cell, data.tags, where)
    number, names = whole_number_of(cell, data.tags, where), data.tag_names
    if names is None:
        raise InputError(
            f"{where}: column {data.tags!r} has numbers, here {number}; say what 0, 1, … stand for in data.tag_names"
        )
    if not 0 <= number < len(names):
        raise InputError(
            f"{where}: column {data.tags!r} has the tag {number}, and data.tag_names has {len(names)} names, 0 to "
            f"{len(names) - 1}"
        )
    return names[number]


def _record(data: WordsTable, schemes: Schemes, cells: Cells, where: str) -> LabelledWords:
    found = _as_it_stands(data, cells, where)
    scheme = next(schemes[path] for path in sorted(schemes, key=len, reverse=True) if where.startswith(path))
    labels = in_iob2(found.labels, scheme, data.entity_type, where)
    return LabelledWords(where, found.words, labels)


def _scheme(data: WordsTable, form: TableForm, path: str) -> TagScheme | None:
    """That of one file, all of which is read for it, unless it is stated."""
    if data.scheme is not None:
        return data.scheme
    return told(kept_fact("scheme", path, lambda: _told_scheme(data, form, path)))


def _told_scheme(data: WordsTable, form: TableForm, path: str) -> TagScheme | None:
    rows = read_table(data, [path], form, partial(_as_it_stands, data), lambda record: None)
    records = (cast(LabelledWords, rows[index]) for index in range(len(rows)))
    tagged = (
        Tagged(record.labels, [number] * len(record.labels))
        for number, record in enumerate(records, start=1)
        if record.labels
    )
    return scheme_of(tagged, path)


@read_records.register
def _read(data: WordsTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    form = TableForm((data.words, data.tags), data.limits, data.format, what="a table of labelled words")
    schemes = {path: _scheme(data, form, path) for path in expanded(paths)}
    return read_table(data, paths, form, partial(_record, data, schemes), look)


@sources.register
def _sources(data: WordsTable) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]
