"""Text to text for an encoder and a decoder (T5; Raffel et al., 2020, 2.4; the Transformer, Vaswani et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.makers.cutting import Cuts
from zoo_common.data.makers.generation import generation_of
from zoo_common.data.makers.pairs import Pairs, open_pairs, target_data
from zoo_common.data.reader import Wanted
from zoo_common.decoding import Generation
from zoo_spec.data.records import Record
from zoo_spec.tasks.seq2seq_lm import SequenceToSequenceLm

_SOURCES = ("input_ids", "example_ids")
_TARGETS = ("decoder_input_ids", "decoder_example_ids", "labels", "label_weights")


class TextToText(Dataset):
    """``input_ids``, ``example_ids`` ``[sequence]`` and what the decoder has, ``[target_sequence]``.

    Source and target end with the end token. ``decoder_input_ids`` are the labels shifted to the right, behind the
    padding token, as T5's are. Examples are the same in every epoch.
    """

    def __init__(self, pairs: Pairs, *, length: int, target_length: int, generation: Generation) -> None:
        self._pairs, self._inputs, self.generation = pairs, generation.inputs, generation
        self._length, self._target_length = length, target_length
        self._cuts = Cuts(len(pairs))
        self.tokenizer = pairs.tokenizer

    def __len__(self) -> int:
        return len(self._pairs)

    def description(self) -> DataDescription:
        """Where the records come from, and how large the examples are."""
        return replace(self._pairs.description(), samples=len(self), bytes_per_sample=example_bytes(self))

    def padding(self) -> Padding:
        """To ``sequence_length`` and ``target_length``."""
        sizes = {
            **dict.fromkeys(_SOURCES, (self._length,)),
            **dict.fromkeys(_TARGETS, (self._target_length,)),
        }
        ids = ("input_ids", "decoder_input_ids", "labels")
        return Padding(sizes, dict.fromkeys(ids, self.tokenizer.pad))

    def record(self, index: int) -> Record:
        """The record of an example, read now."""
        return self._pairs.record(index)

    def said(self, tokens: Sequence[int]) -> str:
        """What generated tokens say."""
        return self._pairs.said(tokens)

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose texts are cut into tokens at once."""
        records = [self._pairs.record(index) for _, index in wanted]
        found = []
        for (_, index), record, pair in zip(wanted, records, self._pairs.tokens(records), strict=True):
            sizes = room(self._length, self._target_length, *map(len, pair))
            if sizes != (len(pair[0]), len(pair[1])):
                said = f"{record.where}: has {len(pair[0]):,} tokens, and its target {len(pair[1]):,}"
                most = f"data.sequence_length {self._length} and data.target_length {self._target_length}"
                self._cuts.note(index, f"{said}, more than {most} have room for")
            found.append(self._laid_out(pair[0][: sizes[0]], pair[1][: sizes[1]]))
        return [{name: value for name, value in each.items() if name in self._inputs} for each in found]

    def _laid_out(self, source: list[int], target: list[int]) -> Example:
        end, pad = self.tokenizer.sep, self.tokenizer.pad
        tokens, labels = np.asarray([*source, end], np.int32), np.asarray([*target, end], np.int32)
        return {
            "input_ids": tokens,
            "example_ids": np.ones_like(tokens),
            "decoder_input_ids": np.asarray([pad, *target], np.int32),
            "decoder_example_ids": np.ones_like(labels),
            "labels": labels,
            "label_weights": np.ones(len(labels), np.float32),
        }


def room(length: int, target_length: int, source: int, target: int) -> tuple[int, int]:
    """How many tokens of a text and of its target stay, so that each has its end."""
    return min(source, length - 1), min(target, target_length - 1)


@make_examples.register
def _text_to_text(task: SequenceToSequenceLm, wanted: Wanted) -> TextToText:
    data = target_data(wanted)
    length, target_length = data.sequence_length, data.most_target
    pairs = open_pairs(wanted, lambda *sizes: room(length, target_length, *sizes))
    generation = generation_of(pairs.tokenizer, wanted.graph, data)
    return TextToText(pairs, length=length, target_length=target_length, generation=generation)
