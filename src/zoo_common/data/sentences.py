"""The sentences of a document of running text."""

from __future__ import annotations

import re

Document = tuple[str, ...]
"""Sentences in order."""

# A sentence ends at . ! or ? with its closing quotes or brackets, before white space and something that can
# begin a sentence; full-width marks need no space after them.
_SENTENCE_END = re.compile(r"""[.!?](["'”’)\]]*\s+)(?=["'“‘(\[*`]*[A-Z0-9À-ÖØ-ÞΑ-ΩА-Я])|[。！？]\s*""")
# What ends in a full stop and yet ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“])(?:[Ee]\.g|[Ii]\.e|cf|vs|etc|al|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|No|Nos|Fig|Figs|Eq|Sec|Ch|Vol|pp?|"
    r"ca|approx|[A-Z])\.$|^\d{1,3}\.$"
)

_LONGER = 16
"""Characters: more than any of these has."""


def sentences_of(text: str, layout: str) -> Document:
    """The sentences of a document that is laid out as ``data.layout`` says: its lines, or found in its paragraphs."""
    if layout == "sentence_lines":
        return tuple(" ".join(line.split()) for line in text.split("\n") if line.strip())
    paragraphs = re.split(r"\n[^\S\n]*\n", text)
    return tuple(sentence for paragraph in paragraphs for sentence in split_sentences(paragraph))


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, with white space and line breaks made single spaces."""
    text = " ".join(paragraph.split())
    sentences: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        candidate = text[start : end.end()].strip()
        stop = end.start() + 1
        abbreviated = (end[1] or "")[:1].isspace() and _ABBREVIATION.search(
            text[max(start, stop - _LONGER) : stop]
        )
        if not candidate or abbreviated:
            continue
        sentences.append(candidate)
        start = end.end()
    if rest := text[start:].strip():
        sentences.append(rest)
    return sentences
