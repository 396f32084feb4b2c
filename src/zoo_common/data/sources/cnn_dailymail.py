"""CNN/DailyMail's stories as texts with summaries: a file each, split by the SHA-1 of their addresses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import expanded
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sentences import split_sentences
from zoo_common.data.unpacked import read_text
from zoo_common.log import LOG
from zoo_spec.data.cnn_dailymail import CnnDailyMail
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.records import SummarizedText
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, reading

_MARK = "@highlight"
_SUFFIX = ".story"


def parts_of(text: str) -> tuple[list[str], list[str]]:
    """The lines of a story's text, and its highlights: whatever stands behind the first mark (See et al., 2017)."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    begin = lines.index(_MARK) if _MARK in lines else len(lines)
    return lines[:begin], [line for line in lines[begin:] if line != _MARK]


class Stories:
    """The stories of folders, of which a list says which, in the order of their names."""

    def __init__(self, folders: Sequence[str], names: set[str] | None, limits: TextLimits) -> None:
        """``names`` are those of the wanted files; None for all. Raises InputError for a folder without a story."""
        self._limits = limits
        self.path = folders[0]
        self._files: list[Path] = []
        self.size = 0
        for folder in folders:
            found = _stories(folder)
            for path, size in found:
                if names is None or path.name in names:
                    self._files.append(path)
                    self.size += size
        if names is not None:
            missing = len(names - {path.name for path in self._files})
            if missing:
                LOG.warning(f"{missing:,} of {len(names):,} addresses have no story in {', '.join(folders)}")

    def places(self) -> Iterator[Place]:
        """Every story with a text, or that cannot be read, which ``read`` tells; the others are counted."""
        empty = []
        for index, path in enumerate(self._files):
            if path.stat().st_size and self._has_text(path):
                yield index, index + 1
            else:
                empty.append(path)
        if empty:
            LOG.warning(f"{len(empty):,} stories have no text ({empty[0]}, …) and were left out")

    def read(self, place: Place) -> SummarizedText:
        """One story; InputError for one without a highlight."""
        path = self._files[place[0]]
        body, highlights = parts_of(read_text(path, self._limits))
        if not highlights:
            raise UnreadableFileError(path, f"has no line behind {_MARK}: there is no summary in it")
        if not body:
            raise UnreadableFileError(path, "has no text any more: it was changed while it was read")
        sentences = tuple(sentence for paragraph in body for sentence in split_sentences(paragraph))
        return SummarizedText(str(path), sentences, tuple(highlights))

    def _has_text(self, path: Path) -> bool:
        try:
            text = read_text(path, self._limits)
        except InputError:
            return True
        return bool(parts_of(text)[0])


def _stories(folder: str) -> list[tuple[Path, int]]:
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"{folder}: there is no such folder; name the one that holds the {_SUFFIX} files")
    with reading(folder), os.scandir(folder) as entries:
        found = [
            (path / entry.name, entry.stat().st_size)
            for entry in entries
            if entry.name.endswith(_SUFFIX) and entry.is_file()
        ]
    if not found:
        raise InputError(f"{folder}: has no file called *{_SUFFIX}; name the folder that holds the stories")
    return sorted(found)


def named(url: str) -> str:
    """What the story of an address is called."""
    return hashlib.sha1(url.encode("utf-8"), usedforsecurity=False).hexdigest() + _SUFFIX


def _names(lists: Sequence[str], limits: TextLimits) -> set[str]:
    found = set()
    for path in expanded(lists):
        found |= {named(line.strip()) for line in read_text(path, limits).split("\n") if line.strip()}
    return found


@sources.register
def _files(data: CnnDailyMail) -> list[Source]:
    """The lists; of the stories' folders, whose hundred thousand files would take minutes, nothing."""
    return [
        *named_files("data.urls", data.urls),
        *named_files("data.evaluation_urls", data.evaluation_urls, "eval"),
        *vocabulary_sources(data),
    ]


@read_records.register
def _read(data: CnnDailyMail, split: Split, look: Look) -> FileRecords:
    lists = data.evaluation_urls if split == "eval" and data.evaluation_urls is not None else data.urls
    names = None if lists is None else _names(lists, data.limits)
    return FileRecords(data, [Stories(data.stories, names, data.limits)], look)
