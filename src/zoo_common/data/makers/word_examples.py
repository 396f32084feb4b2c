"""Examples of labelled words: the pieces of a sentence's words between special tokens, and a label for each word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from zoo_common.data.base import DataDescription, Dataset, Example, Padding, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.kept_arrays import Block, Keep, in_memory, kept_for
from zoo_common.data.label_names import read_label_names, require_same, write_label_names
from zoo_common.data.makers.class_weights import balanced
from zoo_common.data.makers.word_labels import WordLabels
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, Records, open_records
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_common.data.subwords.word_pieces import WordPieces
from zoo_common.log import LOG
from zoo_spec.data import LabelledWordsData
from zoo_spec.data.records import LabelledWords, Record
from zoo_spec.data_fit import label_count
from zoo_spec.errors import InputError
from zoo_spec.tasks.direction import looks_back_alone
from zoo_spec.tasks.token_classification import TokenClassification

_VOCABULARY = 100_000_000
"""Characters of the training text that a vocabulary is made from, the first ones."""
_AT_ONCE = 1024


@dataclass(frozen=True)
class Window:
    """Words of a record, in a row, that are an example: their labels, and where each one's first piece stands."""

    record: int
    labels: tuple[str, ...]
    firsts: NDArray[np.int64]


class WordExamples(Dataset):
    """``input_ids``, ``token_type_ids``, ``example_ids``, ``labels`` and ``label_weights [length]``, of the model's.

    A sentence with more pieces than there is room for becomes several examples, each of whole words, so that no word
    is lost; what no label belongs to has the label 0 and the weight 0. A single word with more pieces is cut.
    """

    def __init__(
        self,
        records: Records,
        pieces: WordPieces,
        labels: WordLabels,
        *,
        length: int,
        is_running: bool,
        every_piece: bool,
        inputs: frozenset[str],
        class_weights: NDArray[np.float32] | None = None,
        keep: Keep = in_memory,
    ) -> None:
        """``class_weights [classes]`` are what labels count, 1 each where there are none.

        ``is_running``: the words stand alone, without special tokens, for a model that only looks back.
        """
        self.labels = labels
        self._records, self._pieces = records, pieces
        self._length, self._is_running, self._every_piece = length, is_running, every_piece
        self._inputs, self._class_weights = inputs, class_weights
        self._windows = keep("word_windows", self._cut)["windows"]
        more = len(self._windows) - len(records)
        if more:
            LOG.info(
                f"{records.description().source}: sentences longer than data.sequence_length {length} are {more:,} "
                "examples more"
            )

    def __len__(self) -> int:
        return len(self._windows)

    def description(self) -> DataDescription:
        """Where the records come from, and how large the examples are."""
        names, about = self.labels.names or (), self._records.description()
        told = f"{len(names)} labels: {', '.join(names[:10])}{', …' * (len(names) > 10)}"
        more = len(self) - len(self._records)
        split = (f"{len(self._records):,} sentences, of which long ones are {more:,} examples more",) * bool(
            more
        )
        return replace(
            about,
            samples=len(self),
            bytes_per_sample=example_bytes(self),
            notes=(*about.notes, told, *split),
            libraries=(*about.libraries, "tokenizers"),
        )

    def padding(self) -> Padding:
        """To ``sequence_length``."""
        names = ("input_ids", "token_type_ids", "example_ids", "labels", "label_weights")
        return Padding(
            dict.fromkeys(names, "sequence"),
            {"sequence": self._length},
            {"input_ids": self._pieces.tokenizer.pad},
        )

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Pieces of each example, special tokens included."""
        pieces = self._windows[:, 3].astype(np.int32)
        return {"sequence": pieces + np.int32(self._length - self._room)}

    def example(self, epoch: int, index: int) -> Example:
        """One example; it is the same in every epoch."""
        record, _, ids, firsts = self._read(index)
        tokenizer, names = self._pieces.tokenizer, self._names(record, index)
        count = sum(map(len, ids))
        labels, weights = np.zeros(count, np.int32), np.zeros(count, np.float32)
        for first, name, own in zip(firsts, names, ids, strict=True):
            places = slice(first, first + (len(own) if self._every_piece else 1))
            labels[places] = self.labels.id_within(name, record.where)
            labels[first] = self.labels.id(name, record.where)
            weights[places] = 1 if self._class_weights is None else self._class_weights[labels[places]]
        tokens = np.asarray([each for own in ids for each in own], np.int32)
        if not self._is_running:
            tokens = np.concatenate([[tokenizer.cls], tokens, [tokenizer.sep]]).astype(np.int32)
            labels, weights = np.pad(labels, 1), np.pad(weights, 1)
        example: Example = {
            "input_ids": tokens,
            "token_type_ids": np.zeros_like(tokens),
            "example_ids": np.ones_like(tokens),
            "labels": labels,
            "label_weights": weights,
        }
        return {name: value for name, value in example.items() if name in self._inputs}

    def window(self, index: int) -> Window:
        """The words that an example is of; those of one record follow each other."""
        record, number, _, firsts = self._read(index)
        places = np.asarray(firsts, np.int64) + (0 if self._is_running else 1)
        return Window(number, self._names(record, index), places)

    def _read(self, index: int) -> tuple[LabelledWords, int, list[Sequence[int]], list[int]]:
        """The record of an example, its number, the pieces of each word, and where each word begins among them."""
        number, begin, end, _ = map(int, self._windows[index])
        record = cast(LabelledWords, self._records[number])
        ids = [own[: self._room] for own in self._pieces.of(record.words[begin:end], record.where)]
        firsts = np.cumsum([0, *map(len, ids)])[:-1].tolist()
        return record, number, ids, firsts

    def _names(self, record: LabelledWords, index: int) -> tuple[str, ...]:
        _, begin, end, _ = map(int, self._windows[index])
        return tuple(self.labels.kept(name) for name in record.labels[begin:end])

    @property
    def _room(self) -> int:
        return self._length - (0 if self._is_running else 2)

    def _cut(self) -> Iterator[Block]:
        """``[examples, 4]``: the record, the first of its words, the one after the last, and how many pieces."""
        for start in range(0, len(self._records), _AT_ONCE):
            rows = self._rows(range(start, min(start + _AT_ONCE, len(self._records))))
            yield {"windows": np.asarray(rows, np.int32).reshape(-1, 4)}

    def _rows(self, numbers: Sequence[int]) -> list[tuple[int, int, int, int]]:
        rows: list[tuple[int, int, int, int]] = []
        for number in numbers:
            record = cast(LabelledWords, self._records[number])
            sizes = [min(len(own), self._room) for own in self._pieces.of(record.words, record.where)]
            begin = used = 0
            for place, size in enumerate(sizes):
                if used + size > self._room:
                    rows.append((number, begin, place, used))
                    begin, used = place, 0
                used += size
            rows.append((number, begin, len(sizes), used))
        return rows


def _data(wanted: Wanted) -> LabelledWordsData:
    data = wanted.spec.data
    if not isinstance(data, LabelledWordsData):
        raise InputError(
            f"data of kind {data.kind!r} gives labelled words and does not say how they are cut into tokens: its "
            "class has to derive from zoo_spec.data.LabelledWordsData"
        )
    return data


def _labels(wanted: Wanted) -> WordLabels:
    data, classes = _data(wanted), label_count(wanted.graph)
    if classes is None:
        raise InputError(
            f"{wanted.graph.name} has no output logits [batch, sequence, classes], which labels belong to"
        )
    kept = read_label_names(wanted.run_dir, classes)
    if kept is not None and data.labels is not None:
        require_same(kept, data.labels, wanted.run_dir)
    return WordLabels(classes, kept or data.labels, types=data.types)


def _sentences(records: Records) -> Iterator[str]:
    """The training text, of which a vocabulary is made."""
    left = _VOCABULARY
    for index in range(len(records)):
        text = " ".join(cast(LabelledWords, records[index]).words)
        left -= len(text)
        if left < 0:
            return
        yield text


@make_examples.register
def _token_classification(task: TokenClassification, wanted: Wanted) -> WordExamples:
    """The examples of one part; what the run is to keep, the names of labels and the tokenizer, is kept now."""
    data, labels = _data(wanted), _labels(wanted)
    train = None
    if wanted.split == "train" or not labels.settled:
        train = open_records(data, "train", labels, wanted)
        labels.settle(train.description().source)
    records = (
        train
        if train is not None and wanted.split == "train"
        else open_records(data, wanted.split, labels, wanted)
    )
    if labels.names is not None and wanted.run_dir is not None:
        write_label_names(wanted.run_dir, labels.names)
    is_running = looks_back_alone(wanted.graph)
    tokenizer = data_tokenizer(
        data,
        sentences=_training_text(wanted, train),
        text="labelled words",
        vocabulary_size=wanted.graph.table_rows()["input_ids"],
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
    )
    least = 1 if is_running else 3
    if data.sequence_length < least:
        raise InputError(
            f"data.sequence_length {data.sequence_length} has no room for a word beside the special tokens; set it "
            f"to {least} or more"
        )
    keep = kept_for(wanted, is_running, tokenizer)
    return WordExamples(
        records,
        WordPieces(tokenizer),
        labels,
        length=data.sequence_length,
        is_running=is_running,
        every_piece=data.label_pieces == "all",
        inputs=wanted.inputs,
        class_weights=_class_weights(task, wanted, labels),
        keep=keep,
    )


def _class_weights(
    task: TokenClassification, wanted: Wanted, labels: WordLabels
) -> NDArray[np.float32] | None:
    """``[classes]``; ``balanced`` ones are by the words of training, whatever pieces they have."""
    if task.class_weights is None:
        return None
    names = labels.names or ()
    if task.class_weights != "balanced":
        return np.asarray(task.class_weights, np.float32)

    def ids_of(record: Record) -> list[int]:
        assert isinstance(record, LabelledWords)
        return [labels.id(labels.kept(name), record.where) for name in record.labels]

    records = open_records(_data(wanted), "train", labels, wanted)
    return balanced(records, ids_of, names, len(names), kept_for(wanted, [*names]))


def _training_text(wanted: Wanted, train: Records | None) -> Iterator[str]:
    yield from _sentences(
        open_records(_data(wanted), "train", AnyRecord(), wanted) if train is None else train
    )
