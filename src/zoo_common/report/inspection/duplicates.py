"""Records that are trained on and evaluated on: told by a hash of what a model is fed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from hashlib import blake2b
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import SPLITS
from zoo_common.data.makers.running_text import RunningTokens
from zoo_common.data.mixture import parts_of
from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.records import Records, gathered
from zoo_common.report.inspection.found import Duplicates
from zoo_spec.data import RunningTextData
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
_SHORT = 12
"""Tokens of a sentence of running text; shorter ones recur in any text."""
_LONGEST = 60
"""Characters of such a sentence that are shown."""
_EVEN = 64
"""Records by which the size of all is judged."""


@dataclass(frozen=True)
class Content:
    """What a model is fed of a record, and what it is to say of it."""

    where: str
    parts: tuple[str | NDArray[np.generic], ...]
    label: str = ""
    place: int = 0
    """Its number, where ``where`` is told only if it is asked for."""

    @property
    def size(self) -> int:
        """About so many bytes."""
        return sum(len(part) if isinstance(part, str) else part.nbytes for part in self.parts)

    @property
    def is_text(self) -> bool:
        """Whether any of it is."""
        return any(isinstance(part, str) for part in self.parts)

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


def find_duplicates(wanted: Wanted, channels: int) -> Duplicates | None:
    """Of records, or of running text by its sentences; None where records cannot be told apart."""
    found = {
        split: [_part(each, channels) for each in parts_of(replace(wanted, split=split))] for split in SPLITS
    }
    parts = {split: [part for part in each if part is not None] for split, each in found.items()}
    if parts != found:
        return None
    is_text = any(isinstance(part, _Sentences) for part in parts["train"])
    what = f"sentences of {_SHORT} tokens or more" if is_text else "records"
    return _compare(what, parts["eval"], parts["train"])


class Part(Protocol):
    """What one source has for one part: ``looked`` at, ``of`` so many."""

    looked: int
    of: int

    def __iter__(self) -> Iterator[Content]:
        """Those that are looked at."""

    def where(self, found: Content) -> str:
        """What one of them is called."""
        return found.where


def _part(wanted: Wanted, channels: int) -> Part | None:
    if isinstance(wanted.spec.data, RunningTextData):
        return _Sentences(RunningTokens(wanted))
    with gathered() as opened:
        open_data(wanted.spec.data, wanted)
    records = next((found for split, found in opened if split == wanted.split), None)
    if records is None or content(records[0], channels) is None:
        return None
    return _Some(records, channels)


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
    """The longer sentences of a part of running text, from everywhere in it, as the tokens that they are cut into."""

    def __init__(self, text: RunningTokens) -> None:
        self._tokens, self._text = text.tokens(), text
        self._long = np.flatnonzero(np.diff(self._tokens.sentences) >= _SHORT)
        self.of = len(self._long)
        self.looked = min(self.of, _MOST_RECORDS)

    def __iter__(self) -> Iterator[Content]:
        for place in range(self.looked):
            number = int(self._long[place * self.of // self.looked])
            yield Content("", (np.asarray(self._tokens.span(number, number + 1), np.int32),), place=number)

    def where(self, found: Content) -> str:
        """The sentence as its tokens read, and the document that it is in."""
        document = int(np.searchsorted(self._tokens.documents, found.place, side="right"))
        said = self._text.tokenizer.decode(self._tokens.span(found.place, found.place + 1))
        short = said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
        return f"{short!r} of document {document:,}"


def _compare(what: str, evaluation: Sequence[Part], training: Sequence[Part]) -> Duplicates:
    """The evaluation part is held by its hashes, and the training part passes by."""
    exact: dict[bytes, list[int]] = {}
    loose: dict[bytes, list[int]] = {}
    held: list[tuple[Part, Content]] = []
    has_text = False
    for part in evaluation:
        for each in part:
            exact.setdefault(each.digest(), []).append(len(held))
            if each.is_text:
                has_text = True
                loose.setdefault(each.digest(loose=True), []).append(len(held))
            held.append((part, Content(each.where, (), each.label, each.place)))
    same, met, other = set[int](), dict[int, tuple[str, str]](), set[int]()
    for part in training:
        for each in part:
            equal = exact.get(each.digest(), [])
            same.update(equal)
            alike = loose.get(each.digest(loose=True), []) if each.is_text else equal
            for number in dict.fromkeys([*equal, *alike]):
                owner, found = held[number]
                if number not in met:
                    told = len(met) < _TOLD
                    met[number] = (owner.where(found), part.where(each)) if told else ("", "")
                if found.label != each.label:
                    other.add(number)
    return Duplicates(
        what,
        exact=len(same),
        loose=len(met) - len(same) if has_text else None,
        relabelled=len(other),
        evaluation=(sum(part.looked for part in evaluation), sum(part.of for part in evaluation)),
        training=(sum(part.looked for part in training), sum(part.of for part in training)),
        first=tuple(islice(met.values(), _TOLD)),
    )
