"""A text and what is to be made of it, as tokens: what all makers of such examples share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from zoo_common.data.base import DataDescription
from zoo_common.data.kept_arrays import Block, Keep, in_memory, kept_for
from zoo_common.data.makers.generation import text_of
from zoo_common.data.maps import AnyArray
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, Numbers, Records, open_records
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_common.decoding import Generation
from zoo_common.log import LOG
from zoo_spec.data.records import Record, SummarizedText, TextPair
from zoo_spec.data.target_text import TargetTextData
from zoo_spec.errors import InputError

_VOCABULARY = 100_000_000
"""Characters of the training text that a vocabulary is made from, the first ones: its maker holds them all."""
_AT_ONCE = 1000
Tokens = tuple[list[int], list[int]]
"""Of a text and of its target."""


def sides(record: Record) -> tuple[str, str]:
    """The text of a record and what is to be made of it: a summary's sentences are lines of it."""
    if isinstance(record, TextPair):
        return record.source, record.target
    assert isinstance(record, SummarizedText)
    return " ".join(record.document), "\n".join(record.summary)


@runtime_checkable
class Generates(Protocol):
    """Examples whose targets a model can be asked to write by itself."""

    generation: Generation

    def record(self, index: int) -> Record:
        """The record of an example."""

    def said(self, tokens: Sequence[int]) -> str:
        """What generated tokens say."""


class Room(Protocol):
    """How much of a pair an example holds."""

    def __call__(self, source: int, target: int) -> tuple[int, int]:
        """Of so many tokens, without special ones, how many there is room for."""


class Pairs:
    """Records as tokens by number; those that are too long for their ``room`` are left out where the data says so."""

    def __init__(
        self,
        records: Records,
        tokenizer: Subwords,
        data: TargetTextData,
        room: Room,
        keep: Keep = in_memory,
    ) -> None:
        self.records, self.tokenizer, self.keep = records, tokenizer, keep
        self._prefix = data.prefix
        self._numbers: Numbers = range(len(records))
        if data.too_long == "skip":
            self._numbers = self._fitting(room, data)

    def __len__(self) -> int:
        return len(self._numbers)

    def record(self, index: int) -> Record:
        """The record of an example, read now."""
        return self.records[int(self._numbers[index])]

    def description(self) -> DataDescription:
        """Where they come from, and what making examples of them takes."""
        about = self.records.description()
        return replace(about, libraries=tuple(dict.fromkeys((*about.libraries, "numpy", "tokenizers"))))

    def said(self, tokens: Sequence[int]) -> str:
        """What generated tokens say."""
        return text_of(tokens, self.tokenizer)[0]

    def tokens(self, records: Sequence[Record]) -> list[Tokens]:
        """Of each record; a prefix is part of its text."""
        texts = [(self._prefix + source, target) for source, target in map(sides, records)]
        rows = self.tokenizer.encode([text for pair in texts for text in pair])
        return list(zip(rows[::2], rows[1::2], strict=True))

    def _fitting(self, room: Room, data: TargetTextData) -> AnyArray:
        """The numbers of those that there is room for; InputError if there is none."""
        found = self.keep("fitting", partial(self._numbers_of_fitting, room))["numbers"]
        gone = len(self.records) - len(found)
        if gone:
            LOG.warning(
                f"{gone:,} of {len(self.records):,} pairs are too long and were left out (data.too_long: skip)"
            )
        if not len(found):
            raise InputError(
                f"{self.records.description().source}: all {gone:,} pairs have more tokens than "
                f"data.sequence_length {data.sequence_length} and data.target_length have room for; raise these, or "
                "set data.too_long to cut"
            )
        return found

    def _numbers_of_fitting(self, room: Room) -> Iterator[Block]:
        for start in range(0, len(self.records), _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, len(self.records)))
            pairs = self.tokens([self.records[number] for number in numbers])
            fits = [room(len(source), len(target)) == (len(source), len(target)) for source, target in pairs]
            yield {"numbers": np.asarray(numbers, np.int32)[fits]}


def texts_of(wanted: Wanted, records: Records | None) -> Iterator[str]:
    """The training texts, of which a vocabulary is made: the first ones, as far as that holds them."""
    data = target_data(wanted)
    records = records or open_records(data, "train", AnyRecord(), wanted)
    left = _VOCABULARY
    for index in range(len(records)):
        source, target = sides(records[index])
        for text in (data.prefix + source, target):
            left -= len(text)
            if left < 0:
                return
            yield text


def open_pairs(wanted: Wanted, room: Room) -> Pairs:
    """The records of one part of the data with their tokenizer, which is kept in the run's directory.

    Raises InputError for data that does not say how its texts are cut into tokens.
    """
    data = target_data(wanted)
    records = open_records(data, wanted.split, AnyRecord(), wanted)
    rows = wanted.graph.table_rows()
    tokenizer = data_tokenizer(
        data,
        sentences=texts_of(wanted, records if wanted.split == "train" else None),
        text="texts and their targets",
        vocabulary_size=min(rows[name] for name in ("input_ids", "decoder_input_ids") if name in rows),
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
    )
    return Pairs(records, tokenizer, data, room, kept_for(wanted, type(wanted.spec.task).__name__, tokenizer))


def target_data(wanted: Wanted) -> TargetTextData:
    """The data of a spec, which has texts with targets."""
    data = wanted.spec.data
    if not isinstance(data, TargetTextData):
        raise InputError(
            f"data of kind {data.kind!r} does not say how its texts are cut into tokens: its class has to derive "
            "from zoo_spec.data.TextPairData or SummaryData"
        )
    return data
