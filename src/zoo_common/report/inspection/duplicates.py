"""Records that are trained on and evaluated on: told by a hash of what a model is fed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from hashlib import blake2b
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import Split
from zoo_common.data.makers.documents import read_corpus
from zoo_common.data.records import Records, open_records
from zoo_common.report.inspection.found import Duplicates
from zoo_spec.data import Data, RunningTextData
from zoo_spec.data.records import (
    Features,
    LabelledImage,
    LabelledText,
    LabelledWords,
    MaskedImage,
    Picture,
    Question,
    Record,
    SummarizedText,
    TextPair,
    Utterance,
)
from zoo_spec.errors import InputError

_MOST_BYTES = 256 << 20
_MOST_RECORDS = 300_000
"""What is looked at of each part: so many records, and about so many bytes of what they hold."""
_TOLD = 5
_SHORT = 8
"""Words of a sentence of running text; shorter ones recur in any text."""
_EVEN = 64
"""Records by which the size of all is judged."""


@dataclass(frozen=True)
class Content:
    """What a model is fed of a record, and what it is to say of it."""

    where: str
    parts: tuple[str | NDArray[np.generic], ...]
    label: str = ""

    @property
    def size(self) -> int:
        """About so many bytes."""
        return sum(len(part) if isinstance(part, str) else part.nbytes for part in self.parts)

    def digest(self, *, loose: bool = False) -> bytes:
        """Of all of it; ``loose``: of texts in lower case, with one space for all white space."""
        found = blake2b(digest_size=16)
        for part in self.parts:
            if isinstance(part, str):
                text = " ".join(part.casefold().split()) if loose else part
                found.update(text.encode("utf-8", "surrogatepass") + b"\0")
            else:
                found.update(f"{part.dtype} {part.shape}".encode())
                found.update(np.ascontiguousarray(part).tobytes())
        return found.digest()


@singledispatch
def content(record: Record, channels: int) -> Content | None:
    """What tells a record from others; None for a kind of which nobody has said it."""
    return None


@content.register
def _labelled_text(record: LabelledText, channels: int) -> Content:
    return Content(
        record.where, record.texts, record.label if record.label is not None else str(record.labels)
    )


@content.register
def _words(record: LabelledWords, channels: int) -> Content:
    return Content(record.where, (" ".join(record.words),), " ".join(record.labels))


@content.register
def _question(record: Question, channels: int) -> Content:
    return Content(record.where, (record.question, record.context), str(record.answers))


@content.register
def _summary(record: SummarizedText, channels: int) -> Content:
    return Content(record.where, record.document, str(record.summary))


@content.register
def _pair(record: TextPair, channels: int) -> Content:
    return Content(record.where, (record.source,), record.target)


@content.register
def _image(record: LabelledImage, channels: int) -> Content:
    return Content(record.where, (_pixels(record.image, channels),), str(record.label))


@content.register
def _masked_image(record: MaskedImage, channels: int) -> Content:
    return Content(record.where, (_pixels(record.image, channels),))


@content.register
def _utterance(record: Utterance, channels: int) -> Content:
    return Content(record.where, (record.sound.read(),), record.transcript or "")


@content.register
def _features(record: Features, channels: int) -> Content:
    return Content(record.where, tuple(record.values[name] for name in sorted(record.values)))


def _pixels(image: Picture, channels: int) -> NDArray[np.uint8]:
    return image.pixels(channels)


def find_duplicates(evaluation: Sequence[Data], training: Sequence[Data], channels: int) -> Duplicates | None:
    """Of sources of records, of running text by its sentences; None where records cannot be told apart."""
    if isinstance(training[0], RunningTextData):
        what = f"sentences of {_SHORT} words or more"
    else:
        what = "records"
        first = open_records(training[0], "train", lambda record: None)[0]
        if content(first, channels) is None:
            return None
    return _compare(
        what,
        [_part(data, "eval", channels) for data in evaluation],
        [_part(data, "train", channels) for data in training],
    )


class Part(Protocol):
    """What one source has for one part: ``looked`` at, ``of`` so many."""

    looked: int
    of: int

    def __iter__(self) -> Iterator[Content]:
        """Those that are looked at."""


def _part(data: Data, split: Split, channels: int) -> Part:
    if isinstance(data, RunningTextData):
        return _Sentences(data, split)
    return _Some(open_records(data, split, lambda record: None), channels)


class _Some(Part):
    """Records from everywhere in a part, as many as the limits allow."""

    def __init__(self, records: Records, channels: int) -> None:
        self._records, self._channels = records, channels
        self.of = len(records)
        sample = [self._content(int(each)) for each in np.linspace(0, self.of - 1, min(self.of, _EVEN))]
        size = max(1, sum(each.size for each in sample if each is not None) // len(sample))
        self.looked = min(self.of, _MOST_RECORDS, max(_EVEN, _MOST_BYTES // size))

    def __iter__(self) -> Iterator[Content]:
        for place in range(self.looked):
            found = self._content(place * self.of // self.looked)
            if found is not None:
                yield found

    def _content(self, index: int) -> Content | None:
        try:
            return content(self._records[index], self._channels)
        except InputError:  # A record that cannot be read is its reader's to complain of.
            return None


class _Sentences(Part):
    """The longer sentences of a part of running text, up to the limits."""

    def __init__(self, data: RunningTextData, split: Split) -> None:
        corpus = read_corpus(data)
        self._source = corpus.about.source
        self._documents = corpus.of(split)
        sizes = [
            len(sentence)
            for document in self._documents
            for sentence in document
            if sentence.count(" ") >= _SHORT - 1
        ]
        self.of = len(sizes)
        self.looked = min(self.of, _MOST_RECORDS, int(np.searchsorted(np.cumsum(sizes), _MOST_BYTES)) + 1)

    def __iter__(self) -> Iterator[Content]:
        left = self.looked
        for number, document in enumerate(self._documents, start=1):
            for sentence in document:
                if sentence.count(" ") >= _SHORT - 1:
                    if not left:
                        return
                    left -= 1
                    yield Content(f"{self._source}, document {number}", (sentence,))


def _compare(what: str, evaluation: Sequence[Part], training: Sequence[Part]) -> Duplicates:
    """The evaluation part is held by its hashes, and the training part passes by."""
    exact: dict[bytes, list[Content]] = {}
    loose: dict[bytes, list[Content]] = {}
    has_text = False
    for each in chain.from_iterable(evaluation):
        kept = Content(each.where, (), each.label)
        exact.setdefault(each.digest(), []).append(kept)
        loose.setdefault(each.digest(loose=True), []).append(kept)
        has_text = has_text or any(isinstance(part, str) for part in each.parts)
    met: dict[int, tuple[str, str]] = {}
    same, other = set[int](), set[int]()
    for each in chain.from_iterable(training):
        for table in (exact, loose):
            for found in table.get(each.digest(loose=table is loose), ()):
                if table is exact:
                    same.add(id(found))
                met.setdefault(id(found), (found.where, each.where))
                if found.label != each.label:
                    other.add(id(found))
    return Duplicates(
        what,
        exact=len(same),
        loose=len(met) - len(same) if has_text else None,
        relabelled=len(other),
        evaluation=(sum(part.looked for part in evaluation), sum(part.of for part in evaluation)),
        training=(sum(part.looked for part in training), sum(part.of for part in training)),
        first=tuple(list(met.values())[:_TOLD]),
    )
