"""Tables of questions."""

from __future__ import annotations

from functools import partial

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, named_files, sources, vocabulary_sources
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.cells import Cells, TableForm, list_of, text_of, whole_number_of
from zoo_common.data.sources.questions import DifferentIds, answer_of, question_of
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data.question_table import QuestionTable
from zoo_spec.data.records import Question
from zoo_spec.errors import InputError


@read_records.register
def _read(data: QuestionTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    form = TableForm(data.columns, data.limits, data.format, what="a table of questions")
    return read_table(data, paths, form, partial(_record, data), DifferentIds(look).look)


def _record(data: QuestionTable, cells: Cells, where: str) -> Question:
    name, question, context, answers, starts = cells
    texts, places = list_of(answers, data.answers, where), list_of(starts, data.answer_starts, where)
    if len(texts) != len(places):
        raise InputError(
            f"{where}: column {data.answers!r} has {len(texts)} answers and {data.answer_starts!r} {len(places)} "
            "places; give one for each"
        )
    known = whole_number_of(name, data.id, where) if isinstance(name, int) else text_of(name, data.id, where)
    found = [
        answer_of(
            text_of(text, data.answers, where), whole_number_of(place, data.answer_starts, where), where
        )
        for text, place in zip(texts, places, strict=True)
    ]
    return question_of(
        where,
        known,
        text_of(question, data.question, where),
        text_of(context, data.context, where),
        found,
    )


@sources.register
def _sources(data: QuestionTable) -> list[Source]:
    return [
        *named_files("data.files", data.files),
        *named_files("data.evaluation_files", data.evaluation_files, "eval"),
        *vocabulary_sources(data),
    ]
