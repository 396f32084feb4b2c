"""BERTSUM's examples: a label for each sentence of a document, 1 where it belongs to the summary (Liu, 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.kept_arrays import Keep, chosen_of, in_memory, kept_for, lengths_of
from zoo_common.data.lengths import measured
from zoo_common.data.makers.cutting import Cuts
from zoo_common.data.makers.oracle import ORACLES
from zoo_common.data.makers.sentence_layout import kept, laid_out, shortened
from zoo_common.data.maps import AnyArray
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, Numbers, Records, open_records
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_common.log import LOG
from zoo_spec.data.records import SummarizedText
from zoo_spec.data.summaries import SummaryData
from zoo_spec.errors import InputError
from zoo_spec.tasks.extractive_summarization import ExtractiveSummarization

_VOCABULARY = 100_000_000
"""Characters of the training text that a vocabulary is made from, the first ones: its maker holds them all."""
_TOKENS = ("input_ids", "token_type_ids", "example_ids")
_SENTENCES = ("sentence_positions", "labels", "label_weights")


class SentenceChoices(Dataset):
    """``input_ids``, ``token_type_ids``, ``example_ids`` ``[sequence]``; positions and labels ``[sentences]``."""

    def __init__(
        self,
        records: Records,
        numbers: Numbers,
        tokenizer: Subwords,
        data: SummaryData,
        *,
        inputs: frozenset[str],
        has_types: bool,
        keep: Keep = in_memory,
    ) -> None:
        """``numbers`` are those of the records; ``has_types``: the model tells two segments apart."""
        self._records, self._numbers, self._tokenizer, self._data = records, numbers, tokenizer, data
        self._inputs, self._has_types = inputs, has_types
        self._keep, self._cuts = keep, Cuts(len(numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def description(self) -> DataDescription:
        """Where the records come from, and how large the examples are."""
        about = self._records.description()
        libraries = tuple(dict.fromkeys((*about.libraries, "numpy", "tokenizers")))
        return replace(about, samples=len(self), bytes_per_sample=example_bytes(self), libraries=libraries)

    def padding(self) -> Padding:
        """To ``sequence_length``, and ``most_sentences`` or as many as it has room for."""
        length = self._data.sequence_length
        sentences = min(self._data.most_sentences, length - 1)
        dimensions = {**dict.fromkeys(_TOKENS, "sequence"), **dict.fromkeys(_SENTENCES, "sentences")}
        return Padding(
            dimensions, {"sequence": length, "sentences": sentences}, {"input_ids": self._tokenizer.pad}
        )

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Tokens and sentences of each document."""
        return lengths_of(self._keep("lengths", partial(measured, self)))

    def record(self, index: int) -> SummarizedText:
        """The record of an example, read now."""
        return cast(SummarizedText, self._records[int(self._numbers[index])])

    def sentences(self, index: int) -> list[str]:
        """The sentences of an example as the record has them, those too that a cut leaves out."""
        document = self.record(index).document
        return [document[number] for number in kept(document, self._data)]

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several; they are the same in every epoch."""
        return [self._example(index) for _, index in wanted]

    def _example(self, index: int) -> Example:
        record, data = self.record(index), self._data
        numbers = kept(record.document, data)
        best = record.chosen
        if best is None:
            best = ORACLES[data.oracle](record.document, record.summary, data.oracle_size)
        rows = self._tokenizer.encode([shortened(record.document[number], data) for number in numbers])
        example = laid_out(rows, self._tokenizer, data.sequence_length)
        if not self._has_types:
            example["token_type_ids"] = np.zeros_like(example["token_type_ids"])
        left = len(example["sentence_positions"])
        if sum(map(len, rows)) + 2 * len(rows) > data.sequence_length:
            said = f"{record.where}: has {len(rows)} sentences, of which data.sequence_length {data.sequence_length}"
            self._cuts.note(index, f"{said} has room for {left}")
        example["labels"] = np.asarray([number in best for number in numbers[:left]], np.int32)
        example["label_weights"] = np.ones(left, np.float32)
        return {name: value for name, value in example.items() if name in self._inputs}


def _fitting(records: Records, data: SummaryData, keep: Keep) -> AnyArray:
    """The numbers of the documents with enough sentences; InputError if there is none."""

    def fits(number: int) -> bool:
        document = cast(SummarizedText, records[number]).document
        return len(kept(document, data)) >= data.least_sentences

    found = chosen_of(len(records), fits, keep)
    gone = len(records) - len(found)
    said = f"{gone:,} of {len(records):,} documents have fewer than {data.least_sentences} sentences"
    if gone:
        LOG.warning(f"{said} of more than {data.least_words} words and were left out")
    if not len(found):
        raise InputError(
            f"{records.description().source}: {said} of more than {data.least_words} words; lower "
            "data.least_sentences or data.least_words"
        )
    return found


def _texts(wanted: Wanted, records: Records | None) -> Iterator[str]:
    """The training documents' sentences, of which a vocabulary is made."""
    records = records or open_records(wanted.spec.data, "train", AnyRecord(), wanted)
    left = _VOCABULARY
    for index in range(len(records)):
        for sentence in cast(SummarizedText, records[index]).document:
            left -= len(sentence)
            if left < 0:
                return
            yield sentence


@make_examples.register
def _extractive(task: ExtractiveSummarization, wanted: Wanted) -> SentenceChoices:
    data = wanted.spec.data
    if not isinstance(data, SummaryData):
        raise InputError(
            f"data of kind {data.kind!r} does not say how its documents are cut: its class has to derive from "
            "zoo_spec.data.SummaryData"
        )
    if data.sequence_length < 4:
        raise InputError(
            f"data.sequence_length {data.sequence_length} has no room for a sentence; set it to 4 or more"
        )
    records = open_records(data, wanted.split, AnyRecord(), wanted)
    rows = wanted.graph.table_rows()
    tokenizer = data_tokenizer(
        data,
        sentences=_texts(wanted, records if wanted.split == "train" else None),
        text="documents",
        vocabulary_size=rows["input_ids"],
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
    )
    keep = kept_for(wanted, tokenizer=tokenizer)
    return SentenceChoices(
        records,
        _fitting(records, data, keep),
        tokenizer,
        data,
        inputs=wanted.inputs,
        has_types=rows.get("token_type_ids", 2) > 1,
        keep=keep,
    )
