"""Examples of questions: where in a window of the text the answer starts and ends (Devlin et al., 2019, 4.2, 4.3)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import DataDescription, Dataset, Example, Padding, described
from zoo_common.data.examples import make_examples
from zoo_common.data.kept_arrays import Block, Keep, in_memory, kept_for, lengths_of
from zoo_common.data.lengths import AT_ONCE
from zoo_common.data.makers.question_windows import AskedText, Tokens, WindowLayout
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, Records, Tolerance, open_records
from zoo_common.data.subwords.tokenizer_files import data_tokenizer
from zoo_spec.data import QuestionData
from zoo_spec.data.records import Question, Record
from zoo_spec.errors import InputError
from zoo_spec.tasks.question_answering import QuestionAnswering

_VOCABULARY = 100_000_000
"""Characters of the training text that a vocabulary is made from, the first ones: its maker holds them all."""


class Asked(NamedTuple):
    """A question that an example is of, in tokens, and which of its windows that is."""

    question: Question
    text: AskedText
    window: int


class QuestionExamples(Dataset):
    """``input_ids``, ``token_type_ids``, ``example_ids`` ``[length]``, ``start_positions`` and ``end_positions``.

    Every window of every question is an example, in their order, the same in every epoch. Its labels are the first
    and the last token of the first answer; a window that does not hold all of it, and one of a question without an
    answer, has both at 0, the first special token, as in google-research/bert, for SQuAD 1.1 too.
    """

    def __init__(
        self,
        data: QuestionData,
        records: Records,
        layout: WindowLayout,
        inputs: frozenset[str],
        keep: Keep = in_memory,
    ) -> None:
        """Counts the windows of all questions; raises InputError for one whose text, or answer, has no tokens."""
        self._records, self._layout, self._inputs = records, layout, inputs
        self._length = data.sequence_length
        tolerance = Tolerance(data)
        found = keep("question_windows", partial(self._counted, tolerance))
        # The record of each question, its first window, and the length of every window.
        self._questions, self._firsts, self._lengths = (
            found[name] for name in ("questions", "firsts", "lengths")
        )
        tolerance.recall({"good": len(self._questions), "bad": len(records) - len(self._questions)})
        tolerance.end()

    def __len__(self) -> int:
        return len(self._lengths)

    def description(self) -> DataDescription:
        """Where the questions come from, and how large the examples are."""
        about = described(self, self._records.description())
        notes = (f"{len(self._questions):,} questions in {len(self):,} windows",)
        return DataDescription(
            about.source,
            about.samples,
            about.source_bytes,
            about.bytes_per_sample,
            notes=notes,
            libraries=("numpy", "tokenizers"),
        )

    def padding(self) -> Padding:
        """To ``sequence_length``."""
        names = ("input_ids", "token_type_ids", "example_ids")
        return Padding(
            dict.fromkeys(names, "sequence"),
            {"sequence": self._length},
            {"input_ids": self._layout.tokenizer.pad},
        )

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Tokens of each window, the question's and the special ones included."""
        return lengths_of({"sequence": self._lengths})

    def example(self, epoch: int, index: int) -> Example:
        """One window."""
        question, text, number = self.asked(index)
        window = text.windows[number]
        start, end = 0, 0
        tokens = answer_tokens(question, text)
        if tokens is not None and tokens[0] >= window.first and tokens[1] <= window.last:
            start, end = (place - window.first + window.place for place in (tokens[0], tokens[1] - 1))
        found = {
            **self._layout.example(text, window),
            "start_positions": np.asarray(start, np.int32),
            "end_positions": np.asarray(end, np.int32),
        }
        return {name: value for name, value in found.items() if name in self._inputs}

    def asked(self, index: int) -> Asked:
        """What an example is of; the windows of a question follow one another."""
        place = bisect_right(self._firsts, index) - 1
        question = cast(Question, self._records[int(self._questions[place])])
        text = self._layout.asked(question.question, question.context)
        return Asked(question, text, index - int(self._firsts[place]))

    def _counted(self, tolerance: Tolerance) -> Iterator[Block]:
        count = 0
        for start in range(0, len(self._records), AT_ONCE):
            numbers, firsts, lengths = list[int](), list[int](), list[int]()
            for number in range(start, min(start + AT_ONCE, len(self._records))):
                own: list[int] = []
                if tolerance.takes(partial(self._add, number, own)):
                    numbers.append(number)
                    firsts.append(count)
                    lengths += own
                    count += len(own)
            columns = {"questions": numbers, "firsts": firsts, "lengths": lengths}
            yield {name: np.asarray(values, np.int32) for name, values in columns.items()}

    def _add(self, number: int, lengths: list[int]) -> None:
        question = cast(Question, self._records[number])
        text = self._layout.asked(question.question, question.context)
        if not text.windows:
            raise InputError(f"{question.where}: the context has no tokens; leave the question out")
        answer_tokens(question, text)
        lengths += [window.length for window in text.windows]


def answer_tokens(question: Question, text: AskedText) -> Tokens | None:
    """The tokens that the first answer is in; None where there is no answer."""
    if not question.answers:
        return None
    answer = question.answers[0]
    found = text.tokens_of(answer.start, answer.start + len(answer.text))
    if found is None:
        raise InputError(
            f"{question.where}: the tokenizer has nothing for the answer {answer.text[:60]!r}; leave the question out"
        )
    return found


def question_layout(wanted: Wanted, data: QuestionData, records: Records | None) -> WindowLayout:
    """How questions are laid out for a run, whose tokenizer is kept now; errors as of ``WindowLayout``."""
    tokenizer = data_tokenizer(
        data,
        sentences=_texts(wanted, records),
        text="questions",
        vocabulary_size=wanted.graph.table_rows()["input_ids"],
        run_dir=wanted.run_dir,
        begins_with=wanted.begins_with,
    )
    return WindowLayout(
        tokenizer, length=data.sequence_length, stride=data.stride, question_length=data.question_length
    )


def _texts(wanted: Wanted, records: Records | None) -> Iterator[str]:
    """The training texts, each once, and their questions, as far as a vocabulary's maker holds them."""
    records = records or open_records(wanted.spec.data, "train", AnyRecord(), wanted)
    left, before = _VOCABULARY, ""
    for number in range(len(records)):
        question = cast(Question, records[number])
        for text in (question.question, question.context):
            if text == before:
                continue
            left -= len(text)
            if left < 0:
                return
            yield text
        before = question.context


class _Answered(AnyRecord):
    """Refuses questions without an answer where the task gives an answer to every one."""

    name = "questions"

    def __init__(self, task: QuestionAnswering) -> None:
        self._task = task

    def about(self) -> JsonValue:
        """Whether there may be some."""
        return self._task.no_answer_threshold is None

    def look(self, record: Record) -> None:
        """The question has an answer, or need not have one."""
        if self._task.no_answer_threshold is None and isinstance(record, Question) and not record.answers:
            raise InputError(
                f"{record.where}: has no answer, and the task answers every question; set task.no_answer_threshold, "
                "to 0 as for SQuAD 2.0, or leave the question out"
            )


@make_examples.register
def _question_answering(task: QuestionAnswering, wanted: Wanted) -> QuestionExamples:
    data = wanted.spec.data
    if not isinstance(data, QuestionData):
        raise InputError(
            f"data of kind {data.kind!r} gives questions and does not say how they are cut into tokens: its class "
            "has to derive from zoo_spec.data.QuestionData"
        )
    records = open_records(data, wanted.split, _Answered(task), wanted)
    layout = question_layout(wanted, data, records if wanted.split == "train" else None)
    keep = kept_for(wanted, tokenizer=layout.tokenizer)
    return QuestionExamples(data, records, layout, wanted.inputs, keep)
