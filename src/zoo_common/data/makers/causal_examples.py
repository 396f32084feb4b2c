"""Running text for causal language models: every token is to be predicted from those before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, described
from zoo_common.data.makers.example_rows import Keep, document_bounds, in_memory, lengths_of, windows
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_spec.errors import InputError
from zoo_spec.random import Stream


class CausalExamples(Dataset):
    """Windows of documents, each ended by ``[SEP]``; of an example's arrays those in ``inputs`` are given.

    Windows start ``sequence_length - 1 - overlap`` tokens apart. Without ``overlap``, with each window's last label
    weighing 0, every token but a document's first is predicted once; so it is with it in evaluation, where what a
    window has in common with the one before it weighs 0 too. In training, ``jitter`` starts a window at a token drawn
    by (seed, epoch, index) among those until the next window starts.

    ``predicted_bytes`` are those of the text whose tokens are predicted, where that is known.
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        *,
        sequence_length: int,
        separator: int,
        pad: int,
        seed: int,
        split: str,
        jitter: bool,
        inputs: frozenset[str],
        about: DataDescription,
        overlap: int = 0,
        predicted_bytes: int | None = None,
        keep: Keep = in_memory,
    ) -> None:
        if sequence_length - overlap < 2 and overlap:
            raise InputError(
                f"data.overlap {overlap} leaves nothing new to a window of data.sequence_length {sequence_length}; "
                f"lower it to {max(sequence_length - 2, 0)} at most"
            )
        if sequence_length < 2:
            raise InputError(
                f"data.sequence_length {sequence_length} leaves no next token to predict; set it to 2 or more"
            )
        self._length, self._stride, self._pad = sequence_length, sequence_length - 1 - overlap, pad
        self.predicted_bytes = predicted_bytes
        self._seed, self._split, self._jitter = seed, split, jitter
        self._inputs, self._about = inputs, about
        self._corpus, self._separator, self._overlap, self._keep = corpus, separator, overlap, keep
        self._said: dict[str, JsonValue] = {"sequence_length": sequence_length, "overlap": overlap}
        self._windows = keep("windows", self._said, self._made)

    def __len__(self) -> int:
        return len(self._windows)

    def description(self) -> DataDescription:
        """Where the examples come from and how large they are."""
        return described(self, self._about)

    def padding(self) -> Padding:
        """To ``sequence_length``."""
        names = ("input_ids", "token_type_ids", "example_ids", "labels", "label_weights")
        pads = dict.fromkeys(("input_ids", "labels"), self._pad)
        return Padding(dict.fromkeys(names, "sequence"), {"sequence": self._length}, pads)

    def lengths(self) -> dict[str, NDArray[np.int32]]:
        """As long as its document allows; the same in every epoch."""
        said = {**self._said, "jitter": self._jitter}
        found = self._keep("window_lengths", said, lengths_of(self._windows, self._lengths))
        return {"sequence": found[:, 0].astype(np.int32)}

    def example(self, epoch: int, index: int) -> Example:
        """One example; ``labels`` are the next tokens, with weight 0 at the end and on padding."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose random numbers cost little more than those of one."""
        paths = [("causal", self._split, epoch, index) for epoch, index in wanted]
        streams = Stream.several(self._seed, paths, 2) if self._jitter else [None] * len(wanted)
        return [self._example(index, stream) for (_, index), stream in zip(wanted, streams, strict=True)]

    def _example(self, index: int, stream: Stream | None) -> Example:
        start, latest, stop, number = map(int, self._windows[index])
        known = self._overlap if number else 0
        if stream is not None:
            start, known = min(start + stream.integer(self._stride), latest), 0
        text = self._corpus.tokens(start, min(start + self._length, stop))
        if start + self._length > stop:
            text = np.append(text, np.int32(self._separator))
        places = np.arange(len(text))
        example: Example = {
            "input_ids": text,
            "token_type_ids": np.zeros_like(text),
            "example_ids": np.ones_like(text),
            "labels": np.append(text[1:], np.int32(self._pad)),
            "label_weights": ((places >= known) & (places < len(text) - 1)).astype(np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}

    def _made(self) -> Iterator[NDArray[np.int64]]:
        """Rows as ``windows`` gives them; a document's end is that of its text, and its separator stands there."""
        bounds = document_bounds(self._corpus)
        size = np.diff(bounds) + 1
        counts = -(-np.maximum(size - 1 - self._overlap, 1) // self._stride)
        return windows(bounds, self._length - 1, self._stride, counts)

    def _lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        start, latest, stop, _ = rows.T
        start = np.minimum(start, latest) if self._jitter else start
        found: NDArray[np.int64] = np.minimum(stop + 1 - start, self._length)[:, None]
        return found
