"""Parallel files as pairs of lines, which are read when they are asked for."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest

import numpy as np

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.files import expanded
from zoo_common.data.maps import AnyArray
from zoo_common.data.record_files import IndexedFile
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sources.rows import Lines
from zoo_common.data.unpacked import open_unpacked
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.parallel_text import ParallelText
from zoo_spec.data.records import TextPair
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, reading

_EVERY = 16
"""Lines, of which it is noted where the first begins; the others are found from there."""


class Side:
    """One of two files; errors name it."""

    def __init__(self, path: str, limits: TextLimits) -> None:
        self.path, self._limits = path, limits
        self._file = open_unpacked(path, limits)
        with reading(path):
            self.size = os.stat(path).st_size
            self._length = os.fstat(self._file.fileno()).st_size
        self.offsets: AnyArray = np.zeros(0, np.int64)
        self._count = 0

    def walk(self) -> Iterator[bool]:
        """For each line whether it is blank; behind the last it is known where lines begin."""
        offsets, self._count = array("q"), 0
        with reading(self.path):
            lines = Lines(self._file, self.path, self._limits)
            at = lines.offset
            for text in lines.unjudged():
                if not self._count % _EVERY:
                    offsets.append(at)
                self._count += 1
                yield not text.strip()
                at = lines.offset
        self.offsets = np.asarray(offsets)

    def count(self) -> int:
        """Lines met so far."""
        return self._count

    def line(self, index: int) -> str:
        """A line without its end: ``\\n``, or ``\\r\\n``; whatever else stands in it is text."""
        with reading(self.path):
            if os.fstat(self._file.fileno()).st_size != self._length:
                raise UnreadableFileError(self.path, "has changed while it was read; begin again")
            skipped = index % _EVERY
            begin = int(self.offsets[index // _EVERY])
            lines = Lines(self._file, self.path, self._limits, offset=begin, number=index - skipped)
            # What is no UTF-8 before it is another record's.
            passed = sum(1 for _ in islice(lines.unjudged(), skipped))
            text = next(lines, None) if passed == skipped else None
        if text is None:
            raise UnreadableFileError(
                self.path, f"line {index + 1} is gone: the file was changed while it was read"
            )
        return text.removesuffix("\n").removesuffix("\r")


class PairFile(IndexedFile):
    """Two files, whose lines belong together."""

    def __init__(self, source: str, target: str, limits: TextLimits) -> None:
        self.path = source
        self._source, self._target = Side(source, limits), Side(target, limits)
        self.size = self._source.size + self._target.size

    def places(self) -> Iterator[Place]:
        """Every pair of lines that are not both blank; raises InputError unless both files have as many."""
        source, target = self._source, self._target
        pairs = zip_longest(source.walk(), target.walk())
        blank = array("q", (index for index, (one, other) in enumerate(pairs) if one and other))
        if source.count() != target.count():
            raise InputError(
                f"{source.path} has {source.count():,} lines, and {target.path} {target.count():,}: line k of one is "
                "to say what line k of the other does; give files of as many lines (blank ones count)"
            )
        if len(blank) == source.count():
            raise UnreadableFileError(self.path, "has no line with anything in it; give a text a line")
        left_out = set(blank)
        for index in range(source.count()):
            if index not in left_out:
                yield index, index + 1

    def kept(self) -> Mapping[str, AnyArray]:
        """Where lines begin in either file: a place counts them."""
        return {"source": self._source.offsets, "target": self._target.offsets}

    def recall(self, kept: Mapping[str, AnyArray]) -> None:
        """Know it again."""
        self._source.offsets, self._target.offsets = kept["source"], kept["target"]

    def read(self, place: Place) -> TextPair:
        """The two lines; InputError where one alone is blank."""
        index, number = place
        texts = self._source.line(index), self._target.line(index)
        for side, text in zip((self._source, self._target), texts, strict=True):
            if not text.strip():
                other = self._target if side is self._source else self._source
                raise InputError(
                    f"{side.path}:{number}: the line is blank, and that of {other.path} is not; fill it in, or empty "
                    "the other"
                )
        return TextPair(f"{self.path}:{number}", *texts)


@sources.register
def _files(data: ParallelText) -> list[Source]:
    found = vocabulary_sources(data)
    for name in ("source_files", "target_files"):
        found += named_files(f"data.{name}", getattr(data, name))
        found += named_files(f"data.evaluation_{name}", getattr(data, f"evaluation_{name}"), "eval")
    return found


@read_records.register
def _read(data: ParallelText, split: Split, look: Look) -> FileRecords:
    names = "source_files", "target_files"
    if split == "eval" and data.has_evaluation:
        names = "evaluation_source_files", "evaluation_target_files"
    one, other = (expanded(getattr(data, name)) for name in names)
    if len(one) != len(other):
        raise InputError(
            f"data.{names[0]} names {len(one)} files, and data.{names[1]} {len(other)}: each has to have its "
            "partner, in the same order"
        )
    files = [PairFile(*pair, data.limits) for pair in zip(one, other, strict=True)]
    return FileRecords(data, files, look)
