"""Where the examples of running text begin: a row of numbers each, made some at a time and kept with the tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.makers.tokens import TokenCorpus
from zoo_common.data.maps import let_go

Integers = NDArray[np.int64]
MakeRows: TypeAlias = Callable[[], Iterable[Integers]]
Keep: TypeAlias = Callable[[str, Mapping[str, JsonValue], MakeRows], Integers]
"""The rows of this name, made of the tokens and these settings: those that are kept, or made now."""
_AT_ONCE = 1 << 18
"""Rows, or sentences, in memory."""


def in_memory(name: str, settings: Mapping[str, JsonValue], make: MakeRows) -> Integers:
    """Made now, and kept by whoever asks."""
    return cast(Integers, np.concatenate([*make()]))


def blocks(corpus: TokenCorpus, room: int) -> Iterator[Integers]:
    """Blocks ``[examples, 4]`` of (document, first sentence, end, latest start).

    A block is as many consecutive sentences as make ``room`` tokens; a document's last may be shorter. From
    its latest start on (or from its first sentence, if it is short) a document fills an example.
    """
    sentences, documents = corpus.sentences, corpus.documents
    total, place = len(sentences) - 1, 0
    yield np.zeros((0, 4), np.int64)
    for begin in range(0, total, _AT_ONCE):
        end = min(begin + _AT_ONCE, total)
        owner = np.searchsorted(documents, np.arange(begin, end), side="right") - 1
        reach = np.searchsorted(sentences, sentences[begin:end] + room)
        following = np.minimum(reach, documents[owner + 1]).tolist()
        starts = []
        while place < end:  # A document's last block ends where the next document begins.
            starts.append(place)
            place = following[place - begin]
        first = np.asarray(starts, np.int64)
        document = owner[first - begin]
        enough = sentences[documents[document + 1]] - room
        latest = np.maximum(documents[document], np.searchsorted(sentences, enough, side="right") - 1)
        stops = np.asarray([following[each - begin] for each in starts], np.int64)
        let_go()
        yield np.column_stack([document, first, stops, latest])


def document_bounds(corpus: TokenCorpus) -> Integers:
    """Where each document's tokens begin and the last one's end, ``[documents + 1]``."""
    found = np.empty(len(corpus.documents), np.int64)
    for begin in range(0, len(found), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        found[part] = corpus.sentences[corpus.documents[part]]
        let_go()
    return found


def windows(bounds: Integers, length: int, stride: int, counts: Integers) -> Iterator[Integers]:
    """Windows ``[examples, 4]`` of (first token, the latest at which it is still full, its document's end, number).

    Document ``d`` is the tokens ``bounds[d]`` to ``bounds[d + 1] - 1`` and has ``counts[d]`` of them, ``stride``
    tokens apart; the number is that within the document.
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    yield np.zeros((0, 4), np.int64)
    for begin in range(0, total, _AT_ONCE):
        examples = np.arange(begin, min(begin + _AT_ONCE, total))
        document = np.searchsorted(ends, examples, side="right")
        number = examples - (ends[document] - counts[document])
        first, stop = bounds[document], bounds[document + 1]
        latest = np.maximum(first, stop - length)
        yield np.column_stack([first + number * stride, latest, stop, number])


def lengths_of(rows: Integers, lengths: Callable[[Integers], Integers]) -> MakeRows:
    """What a function makes of some rows, ``[examples, dimensions]``, of all of them."""

    def make() -> Iterator[Integers]:
        for begin in range(0, max(len(rows), 1), _AT_ONCE):
            found = lengths(rows[begin : begin + _AT_ONCE])
            let_go()
            yield found

    return make
