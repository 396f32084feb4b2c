"""Text to text for an encoder and a decoder (T5; Raffel et al., 2020, 2.4; the Transformer, Vaswani et al., 2017)."""

from __future__ import annotations

import numpy as np

from zoo_common.data.base import Example, Padding
from zoo_common.data.examples import make_examples
from zoo_common.data.makers.generation import generation_of
from zoo_common.data.makers.pair_examples import PairExamples
from zoo_common.data.makers.pairs import open_pairs, target_data
from zoo_common.data.reader import Wanted
from zoo_spec.tasks.seq2seq_lm import SequenceToSequenceLm

_SOURCES = ("input_ids", "example_ids")
_TARGETS = ("decoder_input_ids", "decoder_example_ids", "labels", "label_weights")


class TextToText(PairExamples):
    """``input_ids``, ``example_ids`` ``[sequence]`` and what the decoder has, ``[target_sequence]``.

    Source and target end with the end token. ``decoder_input_ids`` are the labels shifted to the right, behind the
    padding token, as T5's are. Examples are the same in every epoch.
    """

    def padding(self) -> Padding:
        """To ``sequence_length`` and ``target_length``."""
        dimensions = {**dict.fromkeys(_SOURCES, "sequence"), **dict.fromkeys(_TARGETS, "target_sequence")}
        sizes = {"sequence": self._length, "target_sequence": self._most_target}
        ids = ("input_ids", "decoder_input_ids", "labels")
        return Padding(dimensions, sizes, dict.fromkeys(ids, self.tokenizer.pad))

    def _room(self, text: int, target: int) -> tuple[int, int]:
        return room(self._length, self._most_target, text, target)

    def _laid_out(self, text: list[int], target: list[int]) -> Example:
        end, pad = self.tokenizer.sep, self.tokenizer.pad
        tokens, labels = np.asarray([*text, end], np.int32), np.asarray([*target, end], np.int32)
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
    return TextToText(pairs, length=length, most_target=target_length, generation=generation)
