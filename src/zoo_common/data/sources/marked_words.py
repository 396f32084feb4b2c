"""The embedded manual of CPython as labelled words: its markup says which of them are code, and which are terms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoo_common.data.base import Split
from zoo_common.data.entities import Entity, as_iob2
from zoo_common.data.file_marks import Source, embedded_files, sources, vocabulary_sources
from zoo_common.data.records import FileRecords, Look, Place, read_records
from zoo_common.data.sentences import split_sentences
from zoo_common.data.sources.python_docs import SOURCE, manual, prose
from zoo_common.data.word_cuts import cut_words
from zoo_spec.data import MarkedWords
from zoo_spec.data.records import LabelledWords

_MARKED = re.compile(r'"(?P<code>[^"\n]+)"|(?<![\w*])\*(?P<term>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])')
"""``"code"``, as the manual's text form has it, and ``*term*``."""
_MOST_SIGNS = 80


class _Sentences:
    """The sentences that have marks, in memory."""

    def __init__(self, data: MarkedWords) -> None:
        topics, seen = manual(), set[str]()
        self.path, self.size = SOURCE, sum(len(text.encode("utf-8")) for text in topics.values())
        self._data = data
        self._sentences = [
            sentence
            for name in sorted(topics)
            for paragraph in prose(topics[name], seen, emphasis=True)
            for sentence in split_sentences(paragraph)
        ]

    def places(self) -> Iterator[Place]:
        """The number of each."""
        return ((place, place + 1) for place in range(len(self._sentences)))

    def read(self, place: Place) -> LabelledWords:
        """One sentence without its marks."""
        index, number = place
        words, entities = self._unmarked(self._sentences[index])
        return LabelledWords(
            f"{self.path}, sentence {number}", tuple(words), tuple(as_iob2(entities, len(words)))
        )

    def _unmarked(self, sentence: str) -> tuple[list[str], list[Entity]]:
        words: list[str] = []
        entities: list[Entity] = []
        end = 0
        for match in _MARKED.finditer(sentence):
            words += self._words(sentence[end : match.start()])
            kind = str(match.lastgroup)
            inside = self._words(match[kind])
            entities += [Entity(kind, len(words), len(words) + len(inside))] * bool(inside)
            words += inside
            end = match.end()
        return words + self._words(sentence[end:]), entities

    def _words(self, text: str) -> list[str]:
        return [text[begin:end] for begin, end in cut_words(text, self._data.word_cut)]


@read_records.register
def _read(data: MarkedWords, split: Split, look: Look) -> FileRecords:
    return FileRecords(data, [_Sentences(data)], look)


@sources.register
def _sources(data: MarkedWords) -> list[Source]:
    return [*embedded_files("data.corpus", data.corpus, "pydoc_data.topics"), *vocabulary_sources(data)]
