"""Which sentences of a document make the best summary of their own (BERTSUM's oracle; nlpyang/BertSum, preprocess).

A set's score is F of its words plus F of its pairs of words, against those of the reference, each counted once. Pairs
never cross a sentence's border in the document, and do in the reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

_OTHER = re.compile(r"[^a-zA-Z0-9 ]")
_TINY = 1e-8
Grams = tuple[set[tuple[str, ...]], set[tuple[str, ...]]]
"""Words, and pairs of words."""
Score = Callable[[Sequence[int]], float]
"""Of the sentences of these numbers together."""


def greedy_oracle(document: Sequence[str], summary: Sequence[str], size: int) -> tuple[int, ...]:
    """The sentence that raises the score most, the earliest of equals, until ``size`` are there or none raises it."""
    score = _score(document, summary)
    chosen: list[int] = []
    best = 0.0
    while len(chosen) < size:
        rest = [number for number in range(len(document)) if number not in chosen]
        scores = [score([*chosen, number]) for number in rest]
        if not scores or max(scores) <= best:
            break
        best = max(scores)
        chosen.append(rest[scores.index(best)])
    return tuple(sorted(chosen))


def best_combination(document: Sequence[str], summary: Sequence[str], size: int) -> tuple[int, ...]:
    """The best of all sets of 1 to ``size + 1`` sentences, the first of equals, but for those without a word."""
    score = _score(document, summary)
    numbers = [number for number in range(len(document)) if score([number]) > 0]
    best = 0.0
    chosen: tuple[int, ...] = ()
    for count in range(1, size + 2):
        for each in combinations(numbers, count):
            found = score(each)
            if found > best:
                best, chosen = found, each
    return chosen


ORACLES = {"greedy": greedy_oracle, "combination": best_combination}
"""By ``data.oracle``."""


def _score(document: Sequence[str], summary: Sequence[str]) -> Score:
    reference = _grams(" ".join(summary))
    grams = [_grams(sentence) for sentence in document]

    def score(numbers: Sequence[int]) -> float:
        return sum(
            _f1(set().union(*(grams[number][kind] for number in numbers)), reference[kind]) for kind in (0, 1)
        )

    return score


def _grams(text: str) -> Grams:
    words = _OTHER.sub("", text.lower()).split()
    return {(word,) for word in words}, set(pairwise(words))


def _f1(found: set[tuple[str, ...]], reference: set[tuple[str, ...]]) -> float:
    shared = len(found & reference)
    precision = shared / len(found) if found else 0.0
    recall = shared / len(reference) if reference else 0.0
    return 2 * precision * recall / (precision + recall + _TINY)
