"""Span-corruption examples, as T5 is pre-trained on (Raffel et al., 2020, 3.1.4; ``random_spans_noise_mask``).

Spans are cut out of a run of text, each leaving a sentinel; the target tells what stood at each. Spans of text and
of noise take turns, the text first, and each kind's lengths are drawn as one of all ways to cut it into so many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, described
from zoo_common.data.makers.example_rows import Keep, document_bounds, in_memory, lengths_of, windows
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.data.spans import SpanSettings
from zoo_spec.random import Stream

Ids = NDArray[np.int32]
_TARGETS = ("decoder_input_ids", "decoder_example_ids", "labels", "label_weights")


class SpanExamples(Dataset):
    """Windows of documents with spans cut out; of an example's arrays those in ``inputs`` are given.

    The first span's sentinel has the id ``first_sentinel``, the next one's is ``sentinel_step`` more: one less, as
    T5 has it.
    Windows do not overlap; in training, ``jitter`` starts one at a token drawn by (seed, epoch, index) among
    those until the next window starts.
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        settings: SpanSettings,
        *,
        first_sentinel: int,
        sentinel_step: int = -1,
        end: int,
        pad: int,
        seed: int,
        split: str,
        jitter: bool,
        inputs: frozenset[str],
        about: DataDescription,
        keep: Keep = in_memory,
    ) -> None:
        self._corpus, self._settings = corpus, settings
        self._first_sentinel, self._sentinel_step = first_sentinel, sentinel_step
        self._end, self._pad = end, pad
        self._seed, self._split, self._jitter = seed, split, jitter
        self._inputs, self._about = inputs, about
        self._tokens = settings.tokens
        self._sizes = settings.lengths(self._tokens)
        self._keep = keep
        self._windows = keep("spans", {"tokens": self._tokens}, self._made)

    def __len__(self) -> int:
        return len(self._windows)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        return described(self, self._about)

    def padding(self) -> Padding:
        """To the longest input, and the longest target, that there may be."""
        source, target = self._sizes
        dimensions = dict.fromkeys(("input_ids", "example_ids"), "sequence")
        dimensions |= dict.fromkeys(_TARGETS, "target_sequence")
        sizes = {"sequence": source, "target_sequence": target}
        return Padding(
            dimensions, sizes, dict.fromkeys(("input_ids", "decoder_input_ids", "labels"), self._pad)
        )

    def lengths(self) -> dict[str, NDArray[np.int32]]:
        """Exactly what each has, in every epoch."""
        settings = self._settings
        said: dict[str, JsonValue] = {
            "tokens": self._tokens,
            "jitter": self._jitter,
            "masked_fraction": settings.masked_fraction,
            "mean_span_length": settings.mean_span_length,
        }
        found = self._keep("span_lengths", said, lengths_of(self._windows, self._lengths))
        return {"sequence": found[:, 0].astype(np.int32), "target_sequence": found[:, 1].astype(np.int32)}

    def example(self, epoch: int, index: int) -> Example:
        """One example; ``decoder_input_ids`` are the labels shifted to the right, behind the padding token."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose random numbers cost little more than those of one."""
        paths = [("spans", self._split, epoch, index) for epoch, index in wanted]
        streams = Stream.several(self._seed, paths, 2 * (self._tokens + 1))
        return [self._example(index, stream) for (_, index), stream in zip(wanted, streams, strict=True)]

    def _example(self, index: int, stream: Stream) -> Example:
        start, latest, stop, _ = map(int, self._windows[index])
        if self._jitter:
            start = min(start + stream.integer(self._tokens), latest)
        text = self._corpus.tokens(start, min(start + self._tokens, stop))
        source, target = self._cut(text, stream)
        example: Example = {
            "input_ids": source,
            "example_ids": np.ones_like(source),
            "decoder_input_ids": np.concatenate([[self._pad], target[:-1]]).astype(np.int32),
            "decoder_example_ids": np.ones_like(target),
            "labels": target,
            "label_weights": np.ones(len(target), np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}

    def _made(self) -> Iterator[NDArray[np.int64]]:
        bounds = document_bounds(self._corpus)
        # One token alone cannot be cut out of anything.
        counts = -(-np.maximum(np.diff(bounds) - 1, 0) // self._tokens)
        return windows(bounds, self._tokens, self._tokens, counts)

    def _lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        start, latest, stop, _ = rows.T
        start = np.minimum(start, latest) if self._jitter else start
        # None has fewer than two.
        sizes = [self._settings.lengths(max(size, 2)) for size in range(self._tokens + 1)]
        found: NDArray[np.int64] = np.asarray(sizes, np.int64)[np.minimum(stop - start, self._tokens)]
        return found

    def _cut(self, text: Ids, stream: Stream) -> tuple[Ids, Ids]:
        """The text with sentinels for spans, and the sentinels with the spans, each with its end."""
        noise, spans = self._settings.noise(len(text))
        kept_lengths = _segments(len(text) - noise, spans, stream)
        cut_lengths = _segments(noise, spans, stream)
        starts = np.cumsum(kept_lengths + cut_lengths) - cut_lengths
        is_noise = np.repeat(np.tile([False, True], spans), np.stack([kept_lengths, cut_lengths], 1).ravel())
        sentinels = (self._first_sentinel + self._sentinel_step * np.arange(spans)).astype(np.int32)
        end = np.int32(self._end)
        source = np.insert(text, starts, sentinels)[~np.insert(is_noise, starts, False)]
        before = np.cumsum(cut_lengths) - cut_lengths
        return np.append(source, end), np.append(np.insert(text[is_noise], before, sentinels), end)


def _segments(items: int, count: int, stream: Stream) -> NDArray[np.int64]:
    """Lengths, none 0, of ``count`` segments of so many items; each way to cut them is equally likely."""
    cuts = 1 + np.sort(stream.permutation(items - 1)[: count - 1])
    return np.diff(np.concatenate([[0], cuts, [items]]))
