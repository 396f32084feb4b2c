"""Examples of labelled text: a text or a pair between special tokens, padded, and its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, EpochIndex, Example, Padding, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.kept_arrays import Keep, in_memory, kept_for, lengths_of
from zoo_common.data.label_names import FILE as LABELS
from zoo_common.data.label_names import Names, read_label_names, require_same, write_label_names
from zoo_common.data.lengths import measured
from zoo_common.data.makers.class_weights import WeighedExamples, balanced
from zoo_common.data.makers.cutting import Cuts
from zoo_common.data.makers.labels import Labels, Number, OneLabel, SeveralLabels
from zoo_common.data.reader import Wanted, kept_by
from zoo_common.data.records import AnyRecord, Records, open_records
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_spec.data import LabelledTextData
from zoo_spec.data.records import LabelledText
from zoo_spec.data_fit import label_count
from zoo_spec.errors import InputError
from zoo_spec.tasks.direction import looks_back_alone
from zoo_spec.tasks.sequence_classification import (
    SequenceClassification,
    SequenceMultiLabelClassification,
    SequenceRegression,
)

_VOCABULARY = 100_000_000
"""Characters of the training text that a vocabulary is made from, the first ones: its maker holds them all."""


class LabelledExamples(Dataset):
    """``input_ids``, ``token_type_ids``, ``example_ids`` ``[length]`` and ``labels``, those that the model has.

    A text with more tokens than there is room for is cut at its end, of a pair the longer one first, as
    ``tokenizers`` does; how many were cut so far is logged at the first, the tenth, the hundredth, and so on.
    """

    def __init__(
        self,
        records: Records,
        tokenizer: Subwords,
        labels: Labels,
        *,
        length: int,
        is_running: bool,
        inputs: frozenset[str],
        keep: Keep = in_memory,
    ) -> None:
        """``is_running``: the text stands alone, without special tokens, for a model that only looks back."""
        self._records, self._tokenizer, self._labels = records, tokenizer, labels
        self._length, self._is_running, self._inputs = length, is_running, inputs
        self._keep, self._cuts = keep, Cuts(len(records))

    @property
    def cut(self) -> int:
        """How many different examples were cut so far."""
        return self._cuts.count

    def __len__(self) -> int:
        return len(self._records)

    def description(self) -> DataDescription:
        """Where the records come from, and how large the examples are."""
        names = self._labels.names
        notes = (
            ()
            if names is None
            else (f"{len(names)} labels: {', '.join(names[:10])}{', …' * (len(names) > 10)}",)
        )
        return replace(
            self._records.description(),
            samples=len(self),
            bytes_per_sample=example_bytes(self),
            notes=notes,
            libraries=("numpy", "tokenizers"),
        )

    def padding(self) -> Padding:
        """To ``sequence_length``."""
        names = ("input_ids", "token_type_ids", "example_ids")
        return Padding(
            dict.fromkeys(names, "sequence"), {"sequence": self._length}, {"input_ids": self._tokenizer.pad}
        )

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Tokens of each text, or pair, between its special tokens."""
        return lengths_of(self._keep("lengths", partial(measured, self)))

    def example(self, epoch: int, index: int) -> Example:
        """One example."""
        return self.examples([(epoch, index)])[0]

    def examples(self, wanted: Sequence[EpochIndex]) -> list[Example]:
        """Several, whose texts are cut into tokens at once; they are the same in every epoch."""
        records = [cast(LabelledText, self._records[index]) for _, index in wanted]
        rows = iter(self._tokenizer.encode([text for record in records for text in record.texts]))
        found = []
        for (_, index), record in zip(wanted, records, strict=True):
            features = self._laid_out([next(rows) for _ in record.texts], record, index)
            found.append({**features, "labels": self._labels.of(record)})
        return [{name: value for name, value in each.items() if name in self._inputs} for each in found]

    def _laid_out(self, texts: list[list[int]], record: LabelledText, index: int) -> Example:
        """The same layout as for predictions (``zoo_common.prediction.layout``)."""
        tokenizer, ids, types = self._tokenizer, [], []
        if self._is_running:
            (ids,) = self._fitted(texts, self._length, record, index)
            if not ids:
                raise InputError(f"{record.where}: the text has no tokens; leave the line out")
            types = [0] * len(ids)
        else:
            room = self._length - specials(tokenizer, len(texts))
            ids.append(tokenizer.cls)
            for number, text in enumerate(self._fitted(texts, room, record, index)):
                between = [tokenizer.sep] * (tokenizer.between - 1 if number else 0)
                ids += [*between, *text, tokenizer.sep]
                types += [number] * (len(ids) - len(types))
        tokens = np.asarray(ids, np.int32)
        return {
            "input_ids": tokens,
            "token_type_ids": np.asarray(types, np.int32),
            "example_ids": np.ones_like(tokens),
        }

    def _fitted(self, texts: list[list[int]], room: int, record: LabelledText, index: int) -> list[list[int]]:
        sizes = fitted([len(text) for text in texts], room)
        if sum(sizes) < sum(map(len, texts)):
            self._cuts.note(
                index,
                f"{record.where}: has {sum(map(len, texts)):,} tokens, more than data.sequence_length {self._length} "
                "has room for",
            )
        return [text[:size] for text, size in zip(texts, sizes, strict=True)]


def specials(tokenizer: Subwords, texts: int) -> int:
    """How many special tokens stand around so many texts."""
    return 2 + (texts - 1) * tokenizer.between


def fitted(sizes: Sequence[int], room: int) -> list[int]:
    """How many tokens stay of one text, or two: the longer gives way first, then both have half each.

    That is the strategy ``longest_first`` of ``tokenizers``.
    """
    if sum(sizes) <= room:
        return list(sizes)
    if len(sizes) == 1:
        return [room]
    shorter, half = min(sizes), room // 2
    rest = [half, room - half] if shorter > half else [shorter, room - shorter]
    return rest if sizes[0] <= sizes[1] else rest[::-1]


def _names(wanted: Wanted) -> Names | None:
    """The names of labels that the run keeps, or that the spec has; None where the training files have them."""
    stated, kept = _data(wanted).labels, read_label_names(wanted.run_dir, label_count(wanted.graph))
    if kept is not None and stated is not None:
        require_same(kept, stated, wanted.run_dir)
    return kept or stated


def _names_before(wanted: Wanted) -> Names | None:
    """Those of the run whose weights this one begins with, if its head may be that one's."""
    found = None if wanted.begins_with is None else kept_by(wanted.begins_with, LABELS)
    names = None if found is None else read_label_names(found.parent)
    return names if names is not None and len(set(names)) == _classes(wanted) else None


def _open(labels: Labels, wanted: Wanted) -> LabelledExamples:
    """The examples of one part; what the run is to keep, the names of labels and the tokenizer, is kept now."""
    data = _data(wanted)
    if wanted.split == "eval" and not labels.settled:
        source = open_records(data, "train", labels, wanted).description().source
        labels.settle(source)
    records = open_records(data, wanted.split, labels, wanted)
    labels.settle(records.description().source)
    if labels.names is not None and wanted.run_dir is not None:
        write_label_names(wanted.run_dir, labels.names)
    tokenizer = data_tokenizer(
        data,
        sentences=_texts(wanted, records if wanted.split == "train" else None),
        text="labelled text",
        vocabulary_size=wanted.graph.table_rows()["input_ids"],
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
    )
    is_running = looks_back_alone(wanted.graph)
    least = 1 if is_running else specials(tokenizer, data.texts) + data.texts
    if data.sequence_length < least:
        raise InputError(
            f"data.sequence_length {data.sequence_length} has no room for a token of each text beside the special "
            f"ones; set it to {least} or more"
        )
    return LabelledExamples(
        records,
        tokenizer,
        labels,
        length=data.sequence_length,
        is_running=is_running,
        inputs=wanted.inputs,
        keep=kept_for(wanted, is_running, tokenizer),
    )


def _data(wanted: Wanted) -> LabelledTextData:
    data = wanted.spec.data
    if not isinstance(data, LabelledTextData):
        raise InputError(
            f"data of kind {data.kind!r} gives labelled text and does not say how it is cut into tokens: its class "
            "has to derive from zoo_spec.data.LabelledTextData"
        )
    return data


def _texts(wanted: Wanted, records: Records | None) -> Iterator[str]:
    """The training texts, of which a vocabulary is made: the first ones, as far as that holds them."""
    records = records or open_records(_data(wanted), "train", AnyRecord(), wanted)
    left = _VOCABULARY
    for index in range(len(records)):
        for text in cast(LabelledText, records[index]).texts:
            left -= len(text)
            if left < 0:
                return
            yield text


def _classes(wanted: Wanted) -> int:
    """Those of the model, which a graph of the user's own has without its task."""
    found = label_count(wanted.graph)
    if found is None:
        raise InputError(f"{wanted.graph.name} has no output logits [batch, classes], which labels belong to")
    return found


@make_examples.register
def _classification(task: SequenceClassification, wanted: Wanted) -> Dataset:
    labels = OneLabel(_classes(wanted), _names(wanted), _names_before(wanted))
    examples = _open(labels, wanted)
    if task.class_weights is None:
        return examples
    if task.class_weights == "balanced":
        records = open_records(wanted.spec.data, "train", labels, wanted)
        names = labels.names or ()
        keep = kept_for(wanted, [*names])
        weights = balanced(
            records,
            lambda record: [int(labels.of(cast(LabelledText, record)))],
            names,
            _classes(wanted),
            keep,
        )
        return WeighedExamples(examples, weights)
    return WeighedExamples(examples, np.asarray(task.class_weights, np.float32))


@make_examples.register
def _several(task: SequenceMultiLabelClassification, wanted: Wanted) -> LabelledExamples:
    return _open(SeveralLabels(_classes(wanted), _names(wanted), _names_before(wanted)), wanted)


@make_examples.register
def _regression(task: SequenceRegression, wanted: Wanted) -> LabelledExamples:
    return _open(Number(), wanted)
