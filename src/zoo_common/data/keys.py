"""What a kept entry was made of, and what it differs in from what is wanted now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Self

from pydantic import JsonValue

from zoo_common.data.file_marks import FileMark, every_source, marked
from zoo_common.data.reader import Wanted
from zoo_spec.base import Spec
from zoo_spec.values import shorten

FORMAT = 1
"""Of entries; one that is kept in another form is made anew."""
_FREE = ("batching", "limits", "prepared")
"""Fields of data that change nothing that is kept: how much is read, and what is done with it."""


class Key(Spec):
    """What an entry was made of: two that are the same give the same entry, byte by byte."""

    format: int = FORMAT
    fields: dict[str, JsonValue]
    """Of the spec, by their paths (``data.layout``); not those that name files, which ``sources`` tells."""
    sources: tuple[FileMark, ...] = ()
    absent: tuple[str, ...] = ()
    """Fields that name a file which is not on this machine."""
    tokenizer: str = ""
    """SHA-256 of the tokenizer that cut the text; empty where none did."""

    @classmethod
    def of(
        cls,
        wanted: Wanted,
        *,
        known: Collection[FileMark] = (),
        fields: Collection[str] | None = None,
        without: Collection[str] = (),
        also: Mapping[str, JsonValue] | None = None,
        tokenizer: str = "",
    ) -> Self:
        """The key of what is made of the data that is wanted.

        ``fields`` are those of the data that matter, all where nothing is said; ``without`` are those whose files do
        not (``data.vocabulary``); ``also`` is what matters beside them (``{"task.kind": …}``). A file whose path,
        size and time are those of a ``known`` mark is not read for its own. The split is no part of it: say it by
        the entry's name.
        """
        data = wanted.spec.data
        named = [source for source in every_source(data) if _base(source.field) not in without]
        marks = tuple(marked(named, known))
        found = {mark.field for mark in marks}
        files = {_base(source.field) for source in named}
        values = data.model_dump(mode="json", serialize_as_any=True)
        kept = {
            name: value
            for name, value in values.items()
            if name not in _FREE and (fields is None or name in fields or name == "kind")
        }
        return cls(
            fields={
                **{path: value for path, value in _leaves(kept, "data") if not _is_of(path, files)},
                **(also or {}),
            },
            sources=marks,
            absent=tuple(source.field for source in named if source.field not in found),
            tokenizer=tokenizer,
        )

    def differences(self, now: Key) -> list[str]:
        """A line for each thing in which ``now`` is another; none for a source that is not here any more."""
        lines = []
        if self.format != now.format:
            lines.append(f"its form: {self.format}, and this Zoo keeps {now.format}")
        if self.tokenizer != now.tokenizer:
            lines.append(f"the tokenizer: SHA-256 {_short(self.tokenizer)}, now {_short(now.tokenizer)}")
        names = {_base(field) for field in (*self._named(), *now._named())}
        for name in sorted(self.fields.keys() | now.fields.keys()):
            was, is_now = (each.fields.get(name) for each in (self, now))
            if was != is_now and not _is_of(name, names):
                lines.append(f"{name}: {shorten(str(was))}, now {shorten(str(is_now))}")
        return [*lines, *self._other_sources(now)]

    def _named(self) -> Iterator[str]:
        yield from (mark.field for mark in self.sources)
        yield from self.absent

    def _other_sources(self, now: Key) -> Iterator[str]:
        before = {mark.field: mark for mark in self.sources}
        for mark in now.sources:
            was = before.get(mark.field)
            if was is None:
                yield f"{mark.field} ({mark.path}): was none of the files, now {_told(mark)}"
            elif (was.size, was.sha256) != (mark.size, mark.sha256):
                yield f"{mark.field} ({mark.path}): had {_told(was)}; now {_told(mark)}"
        fields = set(now._named())
        lists = {_base(field) for field in fields}
        for was in self.sources:
            if was.field not in fields and _base(was.field) in lists:
                yield f"{was.field} ({was.path}): had {_told(was)}; now it is none of the files"


def _base(field: str) -> str:
    """The spec's field, of a source's: ``data.evaluation.files`` of ``data.evaluation: data.files[0]``."""
    return field.replace(": data", "").partition("[")[0].partition("'")[0]


def _is_of(path: str, fields: Collection[str]) -> bool:
    return any(path == field or path.startswith(f"{field}.") for field in fields)


def _told(mark: FileMark) -> str:
    return f"{mark.size:,} bytes, SHA-256 {_short(mark.sha256)}"


def _short(sha256: str) -> str:
    return f"{sha256[:12]}…" if sha256 else "none"


def _leaves(value: JsonValue, path: str) -> Iterator[tuple[str, JsonValue]]:
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for name, each in value.items():
        yield from _leaves(each, f"{path}.{name}")
