"""Answer-only loss for causal models: a text, a separator, what is to be said (Radford et al., 2018, 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.makers.cutting import Cuts
from zoo_common.data.makers.generation import generation_of, most_target
from zoo_common.data.makers.pairs import Pairs, open_pairs, target_data
from zoo_common.data.reader import Wanted
from zoo_common.decoding import Generation
from zoo_spec.data.records import Record
from zoo_spec.tasks.summarization import Summarization


class Answers(Dataset):
    """``input_ids``, ``token_type_ids``, ``example_ids``, ``labels`` and ``label_weights``, ``[sequence]``.

    Text, separator, target, end: separator and end are the end token. ``labels`` are the next tokens; their weights
    are 1 from the target's first token to its end, which is the last label, and 0 before. Examples are the same in
    every epoch.
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

    def padding(self) -> Padding:
        """To ``sequence_length``."""
        names = ("input_ids", "token_type_ids", "example_ids", "labels", "label_weights")
        pad = self.tokenizer.pad
        return Padding(dict.fromkeys(names, (self._length,)), {"input_ids": pad, "labels": pad})

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
            text, target = map(len, pair)
            sizes = room(self._length, self._most_target, text, target)
            if sizes != (text, target):
                said = f"{record.where}: has {text:,} tokens, and its target {target:,}"
                most = f"data.sequence_length {self._length} and a target of {self._most_target}"
                self._cuts.note(index, f"{said}, more than {most} have room for")
            found.append(self._laid_out(pair[0][: sizes[0]], pair[1][: sizes[1]]))
        return [{name: value for name, value in each.items() if name in self._inputs} for each in found]

    def _laid_out(self, text: list[int], target: list[int]) -> Example:
        end = self.tokenizer.sep
        tokens = np.asarray([*text, end, *target, end], np.int32)
        # The label at the separator's place is the first of the target's.
        counts = (np.arange(len(tokens)) >= len(text)) & (np.arange(len(tokens)) < len(tokens) - 1)
        return {
            "input_ids": tokens,
            "token_type_ids": np.zeros_like(tokens),
            "example_ids": np.ones_like(tokens),
            "labels": np.append(tokens[1:], np.int32(self.tokenizer.pad)),
            "label_weights": counts.astype(np.float32),
        }


def room(length: int, most_target: int, text: int, target: int) -> tuple[int, int]:
    """How many tokens of a text and of its target stay: the target's first, then as much of the text as fits."""
    target = min(target, most_target - 1)
    return min(text, length - 2 - target), target


@make_examples.register
def _summarization(task: Summarization, wanted: Wanted) -> Answers:
    data = target_data(wanted)
    length, most = data.sequence_length, most_target(data)
    pairs = open_pairs(wanted, lambda *sizes: room(length, most, *sizes))
    generation = generation_of(pairs.tokenizer, wanted.graph, data)
    return Answers(pairs, length=length, most_target=most, generation=generation)
