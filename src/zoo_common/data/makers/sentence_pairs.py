"""Which two segments an example is made of, and what there is to tell of them: one function for each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.makers.tokens import TokenCorpus

Ids = NDArray[np.int32]
Draws = Sequence[float]
Pair = tuple[Ids, Ids, int]
"""The first segment, the second, and the label."""

DISTANCES = 3
"""Next to each other, elsewhere in one document, in two documents (Sun et al., 2020, ERNIE 2.0, 4.2.2)."""


@dataclass(frozen=True)
class Run:
    """Sentences ``start`` to ``end - 1`` of a document, ``target`` tokens or all that it has from there.

    ``random_next`` is how often the next sentence is a random one.
    """

    corpus: TokenCorpus
    document: int
    start: int
    end: int
    target: int
    random_next: float

    @property
    def bounds(self) -> tuple[int, int]:
        """The document's first sentence and the one after its last."""
        documents = self.corpus.documents
        return int(documents[self.document]), int(documents[self.document + 1])

    def cut(self, draw: float) -> int:
        """A sentence inside to cut at; the end where there is one sentence only."""
        return self.start + 1 + (below(draw, self.end - self.start - 1) if self.end - self.start > 1 else 0)


def next_sentence(run: Run, draws: Draws) -> Pair:
    """The second segment follows (0) or is drawn at random (1), as google-research/bert makes them."""
    corpus, cut = run.corpus, run.cut(draws[0])
    first = corpus.span(run.start, cut)
    if cut < run.end and draws[1] >= run.random_next:
        return first, corpus.span(cut, run.end), 0
    drawn = _elsewhere(run, draws[2], draws[3])
    if drawn is None:
        return first, corpus.span(cut, run.end), 0
    begin, limit = drawn
    return first, corpus.span(begin, fill(corpus, begin, limit, run.target - len(first))), 1


def sentence_order(run: Run, draws: Draws) -> Pair:
    """Two consecutive segments in their order (0) or swapped (1), each half of the time (Lan et al., 2020, 3.1).

    One sentence alone is cut between two tokens.
    """
    corpus, whole = run.corpus, run.corpus.span(run.start, run.end)
    cut = int(corpus.sentences[run.cut(draws[0])] - corpus.sentences[run.start])
    if cut == len(whole):
        cut = 1 + below(draws[0], len(whole) - 1) if len(whole) > 1 else cut
    before, after = whole[:cut], whole[cut:]
    return (before, after, 0) if draws[1] < 0.5 or not len(after) else (after, before, 1)


def sentence_distance(run: Run, draws: Draws) -> Pair:
    """One of the three distances, each a third of the time; the nearest that there is where one is not."""
    corpus, cut = run.corpus, run.cut(draws[0])
    first = corpus.span(run.start, cut)
    ways = (_following(run, cut), _apart(run, cut, draws[2]), _other_document(run, draws[2], draws[3]))
    wanted = below(draws[1], DISTANCES)
    for label in sorted(range(DISTANCES), key=lambda each: (abs(each - wanted), each)):
        drawn = ways[label]
        if drawn is not None:
            begin, limit = drawn
            return first, corpus.span(begin, fill(corpus, begin, limit, run.target - len(first))), label
    return first, corpus.tokens(0, 0), 0


PAIRS: dict[str, Callable[[Run, Draws], Pair]] = {
    "next_sentence": next_sentence,
    "sentence_order": sentence_order,
    "sentence_distance": sentence_distance,
}
"""By what the label is called in front of ``_labels``."""


def _following(run: Run, cut: int) -> tuple[int, int] | None:
    stop = run.bounds[1]
    return (cut, stop) if cut < stop else None


def _apart(run: Run, cut: int, where: float) -> tuple[int, int] | None:
    """A sentence of the same document, with one at least between it and the first segment, on either side."""
    first, stop = run.bounds
    before, after = max(0, run.start - 1 - first), max(0, stop - cut - 1)
    if before + after == 0:
        return None
    drawn = below(where, before + after)
    return (first + drawn, run.start - 1) if drawn < before else (cut + 1 + drawn - before, stop)


def _other_document(run: Run, which: float, where: float) -> tuple[int, int] | None:
    bounds, others = run.corpus.documents, run.corpus.num_documents - 1
    if not others:
        return None
    other = below(which, others)
    other += other >= run.document
    begin, stop = int(bounds[other]), int(bounds[other + 1])
    return begin + below(where, stop - begin), stop


def _elsewhere(run: Run, which: float, where: float) -> tuple[int, int] | None:
    """A sentence to go on from and the sentence to stop before: in another document where there is one.

    In the only document there is, a sentence outside of the run; None if it has no such.
    """
    drawn = _other_document(run, which, where)
    if drawn is not None:
        return drawn
    stop = run.bounds[1]
    outside = stop - (run.end - run.start)
    if outside == 0:
        return None
    begin = below(where, outside)
    return (begin, run.start) if begin < run.start else (begin + run.end - run.start, stop)


def fill(corpus: TokenCorpus, start: int, stop: int, target: int) -> int:
    """The end of the sentences from ``start`` on that make ``target`` tokens; one at least."""
    reach = int(np.searchsorted(corpus.sentences, corpus.sentences[start] + max(target, 1)))
    return min(reach, stop)


def below(uniform: float, high: int) -> int:
    """A draw in [0, 1) as an integer from 0 to ``high - 1``; its bias, ``high / 2**53``, is nothing here."""
    return int(uniform * high)
