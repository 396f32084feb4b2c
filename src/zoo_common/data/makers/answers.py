"""Answer-only loss for causal models: a text, a separator, what is to be said (Radford et al., 2018, 3.3)."""

from __future__ import annotations

import numpy as np

from zoo_common.data.base import Example, Padding
from zoo_common.data.examples import make_examples
from zoo_common.data.makers.generation import generation_of, most_target
from zoo_common.data.makers.pair_examples import PairExamples
from zoo_common.data.makers.pairs import open_pairs, target_data
from zoo_common.data.reader import Wanted
from zoo_spec.tasks.summarization import Summarization


class Answers(PairExamples):
    """``input_ids``, ``token_type_ids``, ``example_ids``, ``labels`` and ``label_weights``, ``[sequence]``.

    Text, separator, target, end: separator and end are the end token. ``labels`` are the next tokens; their weights
    are 1 from the target's first token to its end, which is the last label, and 0 before. Examples are the same in
    every epoch.
    """

    def padding(self) -> Padding:
        """To ``sequence_length``."""
        names = ("input_ids", "token_type_ids", "example_ids", "labels", "label_weights")
        pad = self.tokenizer.pad
        return Padding(
            dict.fromkeys(names, "sequence"), {"sequence": self._length}, {"input_ids": pad, "labels": pad}
        )

    def _room(self, text: int, target: int) -> tuple[int, int]:
        return room(self._length, self._most_target, text, target)

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
