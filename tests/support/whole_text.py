"""Running text read as a whole and by records, which what is read in pieces must equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.makers.documents import cuts
from zoo_common.data.records import read_records
from zoo_common.data.sentences import Document, sentences_of
from zoo_spec.data import RunningTextData
from zoo_spec.data.records import Record, RunningText
from zoo_spec.errors import InputError

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
    sentences = np.asarray([len(document) for document in documents], np.int64)
    sizes = np.asarray([sum(map(len, document)) for document in documents], np.int64)
    found = list(zip(documents, cuts(sentences, sizes, fraction, seed).tolist(), strict=True))
    return (
        tuple(document[:cut] for document, cut in found if cut),
        tuple(document[cut:] for document, cut in found if cut < len(document)),
    )
