"""Running text for causal language models: every token is to be predicted from those before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, described
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
        ends = corpus.sentences[corpus.documents[1:]]
        self._ids = np.insert(corpus.ids, ends, np.int32(separator))
        bounds = np.concatenate([[0], ends + np.arange(1, len(ends) + 1)])
        self._windows = _windows(bounds, sequence_length, overlap)

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

    def example(self, epoch: int, index: int) -> Example:
        """One example; ``labels`` are the next tokens, with weight 0 at the end and on padding."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose random numbers cost little more than those of one."""
        paths = [("causal", self._split, epoch, index) for epoch, index in wanted]
        streams = Stream.several(self._seed, paths, 2) if self._jitter else [None] * len(wanted)
        return [self._example(index, stream) for (_, index), stream in zip(wanted, streams, strict=True)]

    def _example(self, index: int, stream: Stream | None) -> Example:
        start, latest, stop, known = map(int, self._windows[index])
        if stream is not None:
            start, known = min(start + stream.integer(self._stride), latest), 0
        text = self._ids[start : min(start + self._length, stop)]
        places = np.arange(len(text))
        example: Example = {
            "input_ids": text,
            "token_type_ids": np.zeros_like(text),
            "example_ids": np.ones_like(text),
            "labels": np.append(text[1:], np.int32(self._pad)),
            "label_weights": ((places >= known) & (places < len(text) - 1)).astype(np.float32),
        }
        return {name: value for name, value in example.items() if name in self._inputs}


def _windows(bounds: NDArray[np.int64], length: int, overlap: int) -> NDArray[np.int64]:
    """``[examples, 4]``: a window's first token, the latest at which it is still full, its document's end.

    The fourth is how many of its labels the window before it has.
    """
    rows: list[tuple[int, int, int, int]] = []
    for first, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        latest = max(first, stop - length)
        starts = range(first, max(stop - 1 - overlap, first + 1), length - 1 - overlap)
        rows += [
            (start, latest, stop, overlap if start > first else 0) for start in starts if stop - first > 1
        ]
    return np.asarray(rows, np.int64).reshape(-1, 4)
