"""Documents of running text, whichever source they are of, and which of them are held out for evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.records import read_records
from zoo_common.data.sentences import Document, sentences_of
from zoo_spec.data import RunningTextData
from zoo_spec.data.records import Record, RunningText
from zoo_spec.errors import InputError
from zoo_spec.random import Stream

Documents = tuple[Document, ...]


@dataclass(frozen=True)
class Corpus:
    """All documents of the training files, those that are trained on, and those that are evaluated on."""

    documents: Documents
    training: Documents
    held_out: Documents
    about: DataDescription

    @property
    def characters(self) -> int:
        """Characters of all sentences."""
        return sum(len(sentence) for document in self.documents for sentence in document)

    def of(self, split: Split) -> Documents:
        """Those of one part."""
        return self.training if split == "train" else self.held_out


def read_corpus(data: RunningTextData) -> Corpus:
    """All documents of a source of running text; InputError where it has none, or is damaged."""
    documents, about = _read(data, "train")
    if data.has_evaluation:
        return Corpus(documents, documents, _read(data, "eval")[0], about)
    return Corpus(documents, *hold_out(documents, data.evaluation_fraction, data.split_seed), about)


def fingerprint(documents: Documents) -> str:
    """SHA-256 of the sentences and of where documents end."""
    digest = hashlib.sha256()
    for document in documents:
        for sentence in document:
            digest.update(sentence.encode("utf-8") + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()


def running(documents: Sequence[Document]) -> Iterator[str]:
    """All sentences, each that goes on with another with the space between them in front.

    Byte-level tokens begin with that space; WordPiece's know of none.
    """
    for document in documents:
        for place, sentence in enumerate(document):
            yield f" {sentence}" if place else sentence


def _read(data: RunningTextData, split: Split) -> tuple[Documents, DataDescription]:
    found: list[Document] = []

    def look(record: Record) -> None:
        sentences = sentences_of(cast(RunningText, record).text, data.layout)
        if not sentences:
            raise InputError(f"{record.where}: has no text; leave it out")
        found.append(sentences)

    records = read_records(data, split, look)
    about = records.description()
    if not found:
        raise InputError(f"{about.source}: there is no text in it; give files with some")
    return tuple(found), about


def hold_out(
    documents: Sequence[Document], fraction: float, seed: int
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """Documents for training and for evaluation; about ``fraction`` of the characters go to the latter.

    Documents are taken in an order drawn by ``seed`` as long as they fit. Where that gives fewer than two
    documents or less than half of what is wanted, each document's last sentences are taken instead.
    """
    if fraction == 0:
        return tuple(documents), ()
    sizes = [sum(map(len, document)) for document in documents]
    budget = fraction * sum(sizes)
    taken: set[int] = set()
    used = 0
    for index in map(int, Stream(seed, "held_out").permutation(len(documents))):
        if used + sizes[index] <= budget:
            taken.add(index)
            used += sizes[index]
    if len(taken) >= 2 and used >= budget / 2:
        return (
            tuple(document for index, document in enumerate(documents) if index not in taken),
            tuple(document for index, document in enumerate(documents) if index in taken),
        )
    cuts = [len(document) - _tail(len(document), fraction) for document in documents]
    return (
        tuple(document[:cut] for document, cut in zip(documents, cuts, strict=True)),
        tuple(document[cut:] for document, cut in zip(documents, cuts, strict=True) if cut < len(document)),
    )


def _tail(sentences: int, fraction: float) -> int:
    """Sentences held out of a document: the nearest number, at least one of ten or more."""
    return max(round(sentences * fraction), int(sentences >= 10))
