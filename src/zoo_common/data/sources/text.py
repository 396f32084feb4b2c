"""Plain text as documents of sentences, and which of it is held out for evaluation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_common.data.files import expanded
from zoo_common.data.sources.tables import refuse_table
from zoo_common.data.sources.unpacked import read_text
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError
from zoo_spec.random import Stream

Document = tuple[str, ...]
"""Sentences in order."""

# A sentence ends at . ! or ? with its closing quotes or brackets, before white space and something that can
# begin a sentence; full-width marks need no space after them.
_SENTENCE_END = re.compile(
    r"""(?<=[.!?])["'”’)\]]*\s+(?=["'“‘(\[*`]*[A-Z0-9À-ÖØ-ÞΑ-ΩА-Я])|(?<=[。！？])\s*"""
)
# What ends in a full stop and yet ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“])(?:[Ee]\.g|[Ii]\.e|cf|vs|etc|al|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|No|Nos|Fig|Figs|Eq|Sec|Ch|Vol|pp?|"
    r"ca|approx|[A-Z])\.$|^\d{1,3}\.$"
)


@dataclass(frozen=True)
class Corpus:
    """Documents with where they came from; ``source_bytes`` is the size of what was read."""

    documents: tuple[Document, ...]
    source: str
    source_bytes: int

    @property
    def sentences(self) -> Iterator[str]:
        """All sentences of all documents."""
        return (sentence for document in self.documents for sentence in document)

    @property
    def characters(self) -> int:
        """Characters of all sentences."""
        return sum(len(sentence) for sentence in self.sentences)

    def fingerprint(self) -> str:
        """SHA-256 of the sentences and of where documents end."""
        digest = hashlib.sha256()
        for document in self.documents:
            for sentence in document:
                digest.update(sentence.encode("utf-8") + b"\n")
            digest.update(b"\n")
        return digest.hexdigest()


def read_files(
    paths: Sequence[str], layout: str, limits: TextLimits | None = None, *, tables: str = "refuse"
) -> Corpus:
    """The documents of text files in the given order.

    Raises InputError for a file that is missing, a directory, empty, beyond the ``limits``, or not UTF-8 (naming the
    byte offset), and for a table, unless ``tables`` are read ``as_text``.
    """
    documents: list[Document] = []
    size = 0
    paths = expanded(paths)
    for path in paths:
        text = read_text(path, limits or TextLimits())
        if tables == "refuse":
            refuse_table(text, path)
        size += Path(path).stat().st_size
        found = list(_documents(text, layout))
        if not found:
            raise InputError(f"{path}: the file has no text in it; give a file of sentences or leave it out")
        documents += found
    source = paths[0] if len(paths) == 1 else f"{len(paths)} files ({paths[0]}, …)"
    return Corpus(tuple(documents), source, size)


def _documents(text: str, layout: str) -> Iterator[Document]:
    if layout == "sentence_lines":
        for block in re.split(r"\n[^\S\n]*\n\s*", text):
            if lines := tuple(" ".join(line.split()) for line in block.split("\n") if line.strip()):
                yield lines
        return
    for block in re.split(r"\n(?:[^\S\n]*\n){2,}", text):
        paragraphs = re.split(r"\n[^\S\n]*\n", block)
        if sentences := tuple(sentence for each in paragraphs for sentence in split_sentences(each)):
            yield sentences


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, with white space and line breaks made single spaces."""
    text = " ".join(paragraph.split())
    sentences: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        candidate = text[start : end.end()].strip()
        abbreviated = end[0][:1].isspace() and _ABBREVIATION.search(text[start : end.start()])
        if not candidate or abbreviated:
            continue
        sentences.append(candidate)
        start = end.end()
    if rest := text[start:].strip():
        sentences.append(rest)
    return sentences


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
