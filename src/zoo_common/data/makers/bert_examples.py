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
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, described
from zoo_common.data.makers.example_rows import Keep, blocks, document_bounds, in_memory, lengths_of
from zoo_common.data.makers.masked_rows import (
    Laid,
    Masked,
    SpecialIds,
    chosen_spans,
    chosen_tokens,
    laid_out,
    masked,
)
from zoo_common.data.makers.masking import WholeSpans
from zoo_common.data.makers.sentence_pairs import PAIRS, Run, below, fill
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.errors import InputError
from zoo_spec.random import Path, Stream

Ids = NDArray[np.int32]

_SAMPLE = 64
"""Examples that are looked at for a word that can be masked."""
_SPARE = 64
"""Random numbers drawn with the others, for the tokens that two segments are too long by; if more, a call more."""


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
        keep: Keep = in_memory,
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
        self._keep = keep
        self._blocks = keep("blocks", {"room": room}, partial(blocks, corpus, room))
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

    def lengths(self) -> dict[str, NDArray[np.int32]]:
        """As long as its document allows, and what may be drawn beside it; that it is drawn shorter is not known."""
        settings = self._settings
        said: dict[str, JsonValue] = {
            "room": self._room,
            "jitter": settings.jitter,
            "pairs": settings.pairs,
            "masked_fraction": settings.masked_fraction,
            "max_predictions": settings.max_predictions,
        }
        found = self._keep("block_lengths", said, lengths_of(self._blocks, self._lengths))
        return {"sequence": found[:, 0].astype(np.int32), "predictions": found[:, 1].astype(np.int32)}

    def example(self, epoch: int, index: int) -> Example:
        """One example; positions beyond its predictions have position 0, id 0 and weight 0 in a batch."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, which cost little more than one as far as they are made together."""
        return [
            {name: value for name, value in each.items() if name in self._inputs}
            for each in self._made(wanted)
        ]

    def _lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        corpus, settings = self._corpus, self._settings
        document, start, _, latest = rows.T
        start = np.minimum(start, latest) if settings.jitter else start
        text = corpus.sentences[corpus.documents[document + 1]] - corpus.sentences[start]
        if settings.pairs in ("next_sentence", "sentence_distance"):
            text = text + self._longest_document
        special = 3 if settings.pairs else 2
        text = np.minimum(text, self._room)
        predicted = np.maximum(np.rint((text + special) * settings.masked_fraction).astype(np.int64), 1)
        return np.column_stack(
            [text + special, np.minimum(np.minimum(predicted, text), settings.max_predictions)]
        )

    @cached_property
    def _longest_document(self) -> int:
        return int(np.diff(document_bounds(self._corpus)).max(initial=0))

    def _check_spans(self) -> None:
        """Raise InputError where not one word of a sample of examples is short enough to be predicted."""
        for index in np.unique(np.linspace(0, len(self) - 1, min(len(self), _SAMPLE)).astype(int)).tolist():
            if self._made([(0, index)])[0]["masked_weights"].any():
                return
        settings = self._settings
        most = min(settings.max_predictions, round(settings.sequence_length * settings.masked_fraction))
        raise InputError(
            f"{self._about.source}: no word is short enough to be masked as a whole: all have more than the {most} "
            "tokens that are predicted of an example at most (text without spaces is one word to this vocabulary); "
            "set data.masking to tokens, or raise data.max_predictions and data.masked_fraction"
        )

    def _made(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        settings = self._settings
        ways = settings.duplicates
        paths: list[Path] = [
            ("masked", self._split, epoch if ways is None else epoch % ways, index) for epoch, index in wanted
        ]
        draws = Stream.several_uniforms(self._seed, paths, self._draws + _SPARE)
        pairs = [
            self._segments(index, path, row)
            for (_, index), path, row in zip(wanted, paths, draws, strict=True)
        ]
        laid = laid_out([pair[:2] for pair in pairs], settings.sequence_length, self._special, settings.pairs)
        hidden = self._masked(laid, draws[:, 8:])
        found = zip(pairs, laid.ends.tolist(), hidden.counts.tolist(), strict=True)
        return [
            {
                "token_type_ids": laid.types[row, :end],
                "example_ids": np.ones(end, np.int32),
                "input_ids": hidden.tokens[row, :end],
                "masked_positions": hidden.positions[row, :count],
                "masked_ids": hidden.ids[row, :count],
                "masked_weights": np.ones(count, np.float32),
                f"{settings.pairs}_labels": np.asarray(label, np.int32),
            }
            for row, ((_, _, label), end, count) in enumerate(found)
        ]

    def _segments(self, index: int, path: Path, row: NDArray[np.float64]) -> tuple[Ids, Ids, int]:
        """Text of the first and the second segment, cut to fit, and the label of the two."""
        first, second, label = self._drawn(index, row[:8].tolist())
        excess = len(first) + len(second) - self._room
        if excess <= 0:
            return first, second, label
        if excess > _SPARE:
            row = Stream(self._seed, *path).uniforms(self._draws + excess)
        return *_shorten(first, second, row[self._draws :][:excess] < 0.5), label

    def _drawn(self, index: int, draws: Sequence[float]) -> tuple[Ids, Ids, int]:
        corpus, settings = self._corpus, self._settings
        document, start, block_end, latest = self._blocks[index].tolist()
        stop = int(corpus.documents[document + 1])
        target = self._room
        if draws[0] < settings.short_sequence_probability:
            target = 2 + below(draws[1], self._room - 1)
        if settings.jitter:
            start = min(start + below(draws[2], block_end - start), latest)
        end = fill(corpus, start, stop, target)
        if settings.pairs is None:
            return corpus.span(start, end), corpus.tokens(0, 0), 0
        run = Run(corpus, document, start, end, target, settings.random_next_probability)
        return PAIRS[settings.pairs](run, draws[3:])

    def _masked(self, laid: Laid, draws: NDArray[np.float64]) -> Masked:
        settings = self._settings
        most, length = settings.max_predictions, settings.sequence_length
        wanted = np.maximum(1, np.rint(laid.ends * settings.masked_fraction)).astype(np.int64)
        counts = np.minimum(np.minimum(most, laid.words), wanted)
        if self._spans is None:
            chosen = chosen_tokens(laid, draws[:, :length], counts, most)
        else:
            chosen, counts = chosen_spans(laid, self._spans, draws, counts, most)
        fate, other = draws[:, length : length + most], draws[:, length + most : length + 2 * most]
        return masked(laid, chosen, counts, fate, other, self._special)


def _shorten(first: Ids, second: Ids, at_front: NDArray[np.bool_]) -> tuple[Ids, Ids]:
    """Both segments less as many tokens as are drawn for, each from the longer one, at its front or its end."""
    # One token at a time from the longer, the second when both are equally long: first down to the shorter's
    # length, then in turns.
    excess = len(at_front)
    ahead = len(first) - len(second)
    level = min(excess, abs(ahead))
    turns = excess - level
    from_first = (level if ahead > 0 else 0) + turns // 2
    from_second = excess - from_first
    return (
        _cut(first, from_first, int(np.count_nonzero(at_front[:from_first]))),
        _cut(second, from_second, int(np.count_nonzero(at_front[from_first:]))),
    )


def _cut(segment: Ids, tokens: int, at_front: int) -> Ids:
    return segment[at_front : len(segment) - (tokens - at_front)]
