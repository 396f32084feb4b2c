"""Masked-language-model examples with sentence pairs, as google-research/bert makes them.

The procedure of its ``create_pretraining_data.py``: consecutive sentences of a document fill an example; they
are cut in two at a random sentence; half the time the second part is text from another document instead; the
longer part is shortened at either end; 15 % of the tokens are predicted, of which 80 % are masked, 10 % kept,
10 % replaced by any token. One thing differs, so that any example can be made without those before it: there
the walk through a document depends on what was drawn on the way; here example ``i`` starts in the ``i``-th
full-length block of text, at a sentence drawn for each epoch, and "short" is decided for each example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, described
from zoo_common.data.makers.masking import WholeSpans, choose_spans
from zoo_common.data.makers.sentence_pairs import PAIRS, Run, below, fill
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.errors import InputError
from zoo_spec.random import Stream

Ids = NDArray[np.int32]

MASKED, KEPT = 0.8, 0.1
"""Of the predicted tokens (Devlin et al., 2019, 3.1); the rest is replaced."""

_SAMPLE = 64
"""Examples that are looked at for a word that can be masked."""
_SPARE = 64
"""Random numbers drawn with the others, for the tokens that two segments are too long by; if more, a call more."""


@dataclass(frozen=True)
class SpecialIds:
    """Ids that the examples are put together with; ``vocabulary`` is the number of tokens to replace by."""

    pad: int
    cls: int
    sep: int
    mask: int
    vocabulary: int


@dataclass(frozen=True)
class PairSettings:
    """How examples are made; fields as in ``zoo_spec.data.TextData``.

    ``pairs`` names the task on pairs of segments, one of ``sentence_pairs.PAIRS``; None where the model has none: an
    example is then one run of text.
    ``jitter`` is False in evaluation: every block starts at its first sentence. With ``duplicates`` that many epochs
    differ, and then come again.
    """

    sequence_length: int
    max_predictions: int
    masked_fraction: float
    short_sequence_probability: float
    random_next_probability: float
    pairs: str | None = "next_sentence"
    jitter: bool = True
    duplicates: int | None = None


class BertExamples(Dataset):
    """Masked examples by (seed, epoch, index); of an example's arrays those named in ``inputs`` are given.

    With ``spans`` the tokens of a span are masked together or not at all; else each is drawn by itself.
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        settings: PairSettings,
        special: SpecialIds,
        *,
        seed: int,
        split: str,
        inputs: frozenset[str],
        about: DataDescription,
        spans: WholeSpans | None = None,
    ) -> None:
        room = settings.sequence_length - (3 if settings.pairs else 2)
        if room < 2:
            raise InputError(
                f"data.sequence_length {settings.sequence_length} has no room for two tokens beside the "
                f"special ones; set it to {settings.sequence_length - room + 2} at least"
            )
        self._corpus, self._settings, self._special = corpus, settings, special
        self._seed, self._split, self._inputs, self._about = seed, split, inputs, about
        self._room, self._spans = room, spans
        self._draws = 8 + settings.sequence_length + 2 * settings.max_predictions
        self._blocks, self._latest = _blocks(corpus, room)
        if spans is not None:
            self._check_spans()

    def __len__(self) -> int:
        return len(self._blocks)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        return described(self, self._about)

    def why_weightless(self) -> str:
        """Spans that are longer than what an example may predict are never chosen."""
        if self._spans is None:
            return ""
        settings = self._settings
        most = min(
            settings.max_predictions, max(1, round(settings.sequence_length * settings.masked_fraction))
        )
        return (
            f"words are masked as a whole, and none is as short as the {most} tokens that an example predicts at "
            "most, as in text without spaces; set data.masking to tokens, or raise data.max_predictions and "
            "data.masked_fraction"
        )

    def padding(self) -> Padding:
        """To ``sequence_length`` and ``max_predictions``."""
        settings = self._settings
        dimensions = dict.fromkeys(("input_ids", "token_type_ids", "example_ids"), "sequence")
        dimensions |= dict.fromkeys(("masked_positions", "masked_ids", "masked_weights"), "predictions")
        sizes = {"sequence": settings.sequence_length, "predictions": settings.max_predictions}
        return Padding(dimensions, sizes, {"input_ids": self._special.pad})

    def example(self, epoch: int, index: int) -> Example:
        """One example; positions beyond its predictions have position 0, id 0 and weight 0 in a batch."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose random numbers cost little more than those of one."""
        ways = self._settings.duplicates
        paths = [
            ("masked", self._split, epoch if ways is None else epoch % ways, index) for epoch, index in wanted
        ]
        streams = Stream.several(self._seed, paths, 2 * (self._draws + _SPARE))
        made = (self._example(index, stream) for (_, index), stream in zip(wanted, streams, strict=True))
        return [{name: value for name, value in each.items() if name in self._inputs} for each in made]

    def _check_spans(self) -> None:
        """Raise InputError where not one word of a sample of examples is short enough to be predicted."""
        for index in np.unique(np.linspace(0, len(self) - 1, min(len(self), _SAMPLE)).astype(int)).tolist():
            drawn = Stream(self._seed, "masked", self._split, 0, index)
            if self._example(index, drawn)["masked_weights"].any():
                return
        settings = self._settings
        most = min(settings.max_predictions, round(settings.sequence_length * settings.masked_fraction))
        raise InputError(
            f"{self._about.source}: no word is short enough to be masked as a whole: all have more than the {most} "
            "tokens that are predicted of an example at most (text without spaces is one word to this vocabulary); "
            "set data.masking to tokens, or raise data.max_predictions and data.masked_fraction"
        )

    def _example(self, index: int, stream: Stream) -> Example:
        settings, special = self._settings, self._special
        draws = stream.uniforms(self._draws)  # In one call, which costs more than some hundred numbers.
        first, second, label = self._segments(index, draws[:8])
        first, second = _shorten(first, second, self._room, stream)
        middle = 1 + len(first)
        end = middle + 1 + (len(second) + 1 if settings.pairs else 0)
        tokens = np.empty(end, np.int32)
        types = np.zeros_like(tokens)
        tokens[0], tokens[1:middle], tokens[middle] = special.cls, first, special.sep
        if settings.pairs:
            tokens[middle + 1 : end - 1], tokens[end - 1] = second, special.sep
            types[middle + 1 : end] = 1
        candidates = np.concatenate([np.arange(1, middle), np.arange(middle + 1, end - 1)])
        return {
            "token_type_ids": types,
            "example_ids": np.ones_like(tokens),
            **self._mask(tokens, candidates, end, draws[8:]),
            f"{settings.pairs}_labels": np.asarray(label, np.int32),
        }

    def _segments(self, index: int, draws: NDArray[np.float64]) -> tuple[Ids, Ids, int]:
        """Text of the first and the second segment, and the label of the two."""
        corpus, settings = self._corpus, self._settings
        document, start, block_end = map(int, self._blocks[index])
        stop = int(corpus.documents[document + 1])
        target = self._room
        if draws[0] < settings.short_sequence_probability:
            target = 2 + below(draws[1], self._room - 1)
        if settings.jitter:
            start = min(start + below(draws[2], block_end - start), int(self._latest[document]))
        end = fill(corpus, start, stop, target)
        if settings.pairs is None:
            return corpus.span(start, end), corpus.ids[:0], 0
        run = Run(corpus, document, start, end, target, settings.random_next_probability)
        return PAIRS[settings.pairs](run, draws[3:])

    def _mask(
        self, tokens: Ids, candidates: NDArray[np.intp], length: int, draws: NDArray[np.float64]
    ) -> Example:
        """The masked tokens and what is to be predicted, at some of the positions ``candidates``."""
        settings, special = self._settings, self._special
        most = settings.max_predictions
        count = min(most, len(candidates), max(1, round(length * settings.masked_fraction)))
        if self._spans is None:
            order = np.argsort(draws[: len(candidates)], kind="stable")
            chosen = np.sort(candidates[order[:count]])
        else:
            starts = self._spans.of(tokens, candidates)
            chosen = candidates[choose_spans(starts, len(candidates), draws, count)]
            count = len(chosen)
        fate = draws[settings.sequence_length :][:count]
        other = (draws[settings.sequence_length + most :][:count] * special.vocabulary).astype(np.int32)
        replaced = np.where(fate < MASKED + KEPT, tokens[chosen], other)
        masked = tokens.copy()
        masked[chosen] = np.where(fate < MASKED, special.mask, replaced)
        return {
            "input_ids": masked,
            "masked_positions": chosen.astype(np.int32),
            "masked_ids": tokens[chosen],
            "masked_weights": np.ones(count, np.float32),
        }


def _blocks(corpus: TokenCorpus, room: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Blocks ``[examples, 3]`` of (document, first sentence, end), and each document's latest full start.

    A block is as many consecutive sentences as make ``room`` tokens; a document's last may be shorter. From
    its latest start on (or from its first sentence, if it is short) a document fills an example.
    """
    rows: list[tuple[int, int, int]] = []
    latest = np.zeros(corpus.num_documents, np.int64)
    for document in range(corpus.num_documents):
        first, stop = int(corpus.documents[document]), int(corpus.documents[document + 1])
        enough = int(corpus.sentences[stop]) - room
        latest[document] = max(first, int(np.searchsorted(corpus.sentences, enough, side="right")) - 1)
        while first < stop:
            end = fill(corpus, first, stop, room)
            rows.append((document, first, end))
            first = end
    return np.asarray(rows, np.int64).reshape(-1, 3), latest


def _shorten(first: Ids, second: Ids, room: int, stream: Stream) -> tuple[Ids, Ids]:
    """Both segments in ``room`` tokens: the longer one loses a token, at either end, until they fit."""
    excess = len(first) + len(second) - room
    if excess <= 0:
        return first, second
    # One token at a time from the longer, the second when both are equally long: first down to the shorter's
    # length, then in turns.
    ahead = len(first) - len(second)
    level = min(excess, abs(ahead))
    turns = excess - level
    from_first = (level if ahead > 0 else 0) + turns // 2
    from_second = excess - from_first
    at_front = stream.uniforms(excess) < 0.5
    return (
        _cut(first, from_first, int(at_front[:from_first].sum())),
        _cut(second, from_second, int(at_front[from_first:].sum())),
    )


def _cut(segment: Ids, tokens: int, at_front: int) -> Ids:
    return segment[at_front : len(segment) - (tokens - at_front)]
