"""Which files a spec's data is read from, and what tells their content from another."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from zoo_common.data.files import expanded
from zoo_common.files import sha256_of
from zoo_spec.base import NonNegativeInt, Spec
from zoo_spec.data import (
    Data,
    MixtureData,
    PreparedData,
    RunningTextData,
    RunningTextTable,
    SourceData,
    TextData,
    TextTable,
    TokenizedData,
)
from zoo_spec.errors import InputError
from zoo_spec.reading import open_file, printable, reading

Use = Literal["train", "eval"]

_READ_OF_FOLDERS = 64_000_000
"""Bytes of a folder that are read for its mark; of a larger one names and sizes tell it from another."""
_RACY = 2_000_000_000
"""Nanoseconds: a file that is younger may change once more without another time, on a coarse clock."""


_HASHES: dict[tuple[int, int, int, int], str] = {}
"""Of files that this process has read for their marks: a run and what is made of its data ask for the same."""


@dataclass(frozen=True)
class Source:
    """A file that is read, by the field that names it; ``eval``: for evaluation alone.

    Where ``names`` are given, ``path`` is a folder, of which these files are read.
    """

    field: str
    path: Path
    use: Use = "train"
    names: tuple[str, ...] | None = None


class FileMark(Spec):
    """What a file was when it was read."""

    field: str
    path: str
    use: Use
    size: NonNegativeInt
    time: int
    """Of its last change, in nanoseconds; 0 where that was so recent that it says nothing."""
    sha256: str


def every_source(data: Data) -> list[Source]:
    """The files that data is read from, and those of its ``evaluation`` where that is other data.

    A folder that is not there has none: that is its reader's to refuse.
    """
    try:
        found = sources(data)
    except InputError:
        found = []
    if not isinstance(data, SourceData | MixtureData) or data.evaluation is None:
        return found
    other = every_source(data.evaluation)
    return [*found, *(replace(each, field=f"data.evaluation: {each.field}", use="eval") for each in other)]


@singledispatch
def sources(data: Data) -> list[Source]:
    """The files that data of this kind is read from; none where it is drawn."""
    return []


@sources.register
def _mixture(data: MixtureData) -> list[Source]:
    return [
        replace(each, field=f"data.sources[{number}]: {each.field}")
        for number, mixed in enumerate(data.sources)
        for each in every_source(mixed.data)
    ]


@sources.register
def _text(data: TextData) -> list[Source]:
    found = _files(data)
    if data.files is None:
        found += embedded_files("data.corpus", data.corpus, "pydoc_data.topics")
    return [*found, *running_text_sources(data)]


@sources.register
def _running_table(data: RunningTextTable) -> list[Source]:
    return [*_files(data), *running_text_sources(data)]


@sources.register
def _table(data: TextTable) -> list[Source]:
    return [*_files(data), *vocabulary_sources(data)]


def running_text_sources(data: RunningTextData) -> list[Source]:
    """What is read beside running text, wherever that comes from: phrases, and a vocabulary."""
    found = [] if data.phrases is None else [Source("data.phrases", Path(data.phrases))]
    return [*found, *vocabulary_sources(data)]


def _files(data: TextData | TextTable | RunningTextTable | PreparedData) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
    ]


def named_files(field: str, paths: Iterable[str] | None, use: Use = "train") -> list[Source]:
    """A source for each file that the paths of a field name; one that no file matches is its reader's to refuse."""
    try:
        found = expanded(paths or ())
    except InputError:
        return []
    return [Source(f"{field}[{index}]", Path(path), use) for index, path in enumerate(found)]


@sources.register
def _prepared(data: PreparedData) -> list[Source]:
    return _files(data)


@singledispatch
def vocabulary_sources(data: Data) -> list[Source]:
    """What a user's own vocabulary is read from; predictions read it too, whatever fed the run."""
    return []


@vocabulary_sources.register
def _vocabulary(data: TokenizedData) -> list[Source]:
    if data.vocabulary is None:
        return []
    path = Path(data.vocabulary)
    found = [Source("data.vocabulary", path)]
    if path.suffix == ".json" and path.name != "tokenizer.json":
        found.append(Source("data.vocabulary's merges", path.with_name("merges.txt")))
    return found


def embedded_files(field: str, name: str, module: str, file: str = "") -> list[Source]:
    """The file of an installed package that a built-in corpus is read from; none where it is not installed."""
    try:
        found = find_spec(module)
    except ImportError:
        return []
    if found is None or found.origin is None:
        return []
    origin = Path(found.origin)
    return [Source(f"{field} ({name})", origin.parent / file if file else origin)]


def marked(wanted: Iterable[Source], known: Iterable[FileMark] = ()) -> Iterator[FileMark]:
    """The mark of each source that is a file; what cannot be read is left to its reader to refuse.

    A file's hash is taken from ``known`` where path, size and time are still the same.
    """
    by_field = {mark.field: mark for mark in known}
    for source in wanted:
        try:
            yield _mark(source, by_field)
        except InputError:
            continue


def _mark(source: Source, known: Mapping[str, FileMark]) -> FileMark:
    path = source.path
    if source.names is not None:
        return _folder_mark(source, source.names)
    with open_file(path) as file, reading(path):
        status = os.fstat(file.fileno())
        is_settled = time.time_ns() - status.st_mtime_ns > _RACY
        shown = printable(path.resolve())
        before = known.get(source.field)
        if before is not None and (before.path, before.size, before.time) == (
            shown,
            status.st_size,
            status.st_mtime_ns,
        ):
            return before
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        found = _HASHES.get(identity) or sha256_of(file)
        if is_settled:
            _HASHES[identity] = found
        return FileMark(
            field=source.field,
            path=shown,
            use=source.use,
            size=status.st_size,
            time=status.st_mtime_ns if is_settled else 0,
            sha256=found,
        )


def _folder_mark(source: Source, names: tuple[str, ...]) -> FileMark:
    """Of a folder: its files' names and sizes, and all their bytes where these are few.

    A million photographs are not read each time that a run goes on.
    """
    found, size = sha256(), 0
    with reading(source.path):
        sizes = [(source.path / name).stat().st_size for name in names]
    for name, each in zip(names, sizes, strict=True):
        found.update(f"{printable(name)}\0{each}\n".encode())
    size = sum(sizes)
    if size <= _READ_OF_FOLDERS:
        for name in names:
            with open_file(source.path / name) as file, reading(source.path / name):
                found.update(sha256_of(file).encode())
    return FileMark(
        field=source.field,
        path=printable(source.path.resolve()),
        use=source.use,
        size=size,
        time=0,
        sha256=found.hexdigest(),
    )


def other_files(then: Iterable[FileMark], now: Iterable[FileMark], use: Use) -> list[str]:
    """A line for each file of this use whose content is not what it was; where it lies does not matter."""
    before = {mark.field: mark for mark in then if mark.use == use}
    now = list(now)
    lines = []
    for mark in now:
        was = before.get(mark.field)
        if mark.use != use or (was is not None and was.sha256 == mark.sha256):
            continue
        there = "was not there" if was is None else f"had {was.size:,} bytes, SHA-256 {was.sha256[:12]}…"
        lines.append(f"{mark.field} ({mark.path}): {there}; now {mark.size:,} bytes, {mark.sha256[:12]}…")
    found = {mark.field for mark in now}
    lists = {field.partition("[")[0] for field in found}
    lines += [
        f"{was.field} ({was.path}): had {was.size:,} bytes, SHA-256 {was.sha256[:12]}…; now it is none of the files"
        for field, was in before.items()
        if field not in found and field.partition("[")[0] in lists
    ]
    return lines
