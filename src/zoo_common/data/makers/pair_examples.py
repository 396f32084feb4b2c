"""Examples of a text and what is to be made of it: what causal models and encoders with decoders share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, example_bytes
from zoo_common.data.kept_arrays import lengths_of
from zoo_common.data.lengths import measured
from zoo_common.data.makers.cutting import Cuts
from zoo_common.data.makers.pairs import Pairs
from zoo_common.decoding import Generation
from zoo_spec.data.records import Record


class PairExamples(Dataset):
    """Pairs cut to their room and laid out; the same in every epoch.

    ``length`` and ``most_target`` are the tokens that there is room for, ends included.
    """

    def __init__(self, pairs: Pairs, *, length: int, most_target: int, generation: Generation) -> None:
        self._pairs, self._inputs, self.generation = pairs, generation.inputs, generation
        self._length, self._most_target = length, most_target
        self._cuts = Cuts(len(pairs))
        self.tokenizer = pairs.tokenizer

    def __len__(self) -> int:
        return len(self._pairs)

    def description(self) -> DataDescription:
        """Where the records come from, and how large the examples are."""
        return replace(self._pairs.description(), samples=len(self), bytes_per_sample=example_bytes(self))

    def record(self, index: int) -> Record:
        """The record of an example, read now."""
        return self._pairs.record(index)

    def said(self, tokens: Sequence[int]) -> str:
        """What generated tokens say."""
        return self._pairs.said(tokens)

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Tokens of each text and of each target, ends included."""
        return lengths_of(self._pairs.keep("lengths", partial(measured, self)))

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose texts are cut into tokens at once."""
        records = [self._pairs.record(index) for _, index in wanted]
        found = []
        for (_, index), record, (text, target) in zip(
            wanted, records, self._pairs.tokens(records), strict=True
        ):
            sizes = self._room(len(text), len(target))
            if sizes != (len(text), len(target)):
                self._cuts.note(
                    index,
                    f"{record.where}: has {len(text):,} tokens, and its target {len(target):,}, more than "
                    f"data.sequence_length {self._length} and a target of {self._most_target} have room for",
                )
            found.append(self._laid_out(text[: sizes[0]], target[: sizes[1]]))
        return [{name: value for name, value in each.items() if name in self._inputs} for each in found]

    @abstractmethod
    def _room(self, text: int, target: int) -> tuple[int, int]: ...

    @abstractmethod
    def _laid_out(self, text: list[int], target: list[int]) -> Example: ...
