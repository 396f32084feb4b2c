"""Questions as records, out of SQuAD's files and out of tables, and files that are none."""

from __future__ import annotations

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from zoo_common.data.records import open_records
from zoo_spec.data import QuestionTable, SquadFiles
from zoo_spec.data.records import Answer
from zoo_spec.errors import InputError

# The published form, with what readers get wrong: a context that begins with a space, two code points for a letter,
# a letter outside the basic plane, white space of other kinds, and escapes.
CONTEXT = " Tea  came in 1610.\u00a0The cafe\u0301 \U0001f375 opened."


def question(name="q1", text="1610", start=14, **others):
    return {"id": name, "question": "When?", "answers": [{"text": text, "answer_start": start}], **others}


def document(*qas, context=CONTEXT, **others):
    paragraphs = [{"qas": list(qas), "context": context}]
    return {"version": "1.1", "data": [{"title": "Tea", "paragraphs": paragraphs, **others}]}


def write(path, value, **how):
    path.write_text(json.dumps(value, **how), encoding="utf-8")
    return str(path)


def read(path, **settings):
    found = []
    data = SquadFiles(files=str(path), evaluation_fraction=0, **settings)
    records = open_records(data, "train", found.append)
    return [records[number] for number in range(len(records))]


@pytest.mark.parametrize("how", [{}, {"indent": 2, "ensure_ascii": False}])
def test_a_context_is_as_it_was_published_and_answers_are_found_in_its_code_points(tmp_path, how):
    cafe = CONTEXT.index("cafe")
    two = question("q2", "cafe\u0301 \U0001f375", cafe)
    twice = document(question(), two)
    twice["data"] += document(question("q3", "Tea", 0), context="Tea")["data"]
    first, second, third = read(write(tmp_path / "s.json", twice, **how))
    assert first.context == CONTEXT
    assert first.answers == (Answer("1610", 14),)
    assert second.answers == (Answer("cafe\u0301 \U0001f375", cafe),)
    assert second.id == "q2"
    assert third.context == "Tea"
    assert third.question == "When?"
    assert first.where.endswith("s.json: article 'Tea', paragraph 1, question 'q1'")


def test_of_squad_2_questions_without_an_answer_have_none_and_plausible_ones_are_no_answers(tmp_path):
    none = {"id": "n", "question": "Why?", "answers": [], "is_impossible": True}
    none["plausible_answers"] = [{"text": "1610", "answer_start": 14}]
    found = read(write(tmp_path / "s.json", document(question(is_impossible=False), none)))
    assert [len(each.answers) for each in found] == [1, 0]


def test_a_packed_file_is_read_as_the_file_that_it_packs(tmp_path):
    plain = write(tmp_path / "s.json", document(question()))
    (tmp_path / "s.json.gz").write_bytes(gzip.compress((tmp_path / "s.json").read_bytes()))
    (packed,), (unpacked,) = read(tmp_path / "s.json.gz"), read(plain)
    assert (packed.context, packed.answers) == (unpacked.context, unpacked.answers)


WRONG = {
    "an answer that stands elsewhere": (
        document(question(start=13)),
        r"question 'q1': the answer '1610' is not at answer_start 13 .* ' 161' there \(it stands at 14\)",
    ),
    "an answer of a context that was stripped": (
        document(question(), context="Tea."),
        "stands nowhere in it",
    ),
    "an id that stands there twice": (document(question(), question()), "'q1' stands there a second time"),
    "an answer that has a flag against it": (
        document(question(is_impossible=True)),
        "is true, and it has 1 answers",
    ),
    "no answer and no flag for it": (
        document({"id": "q", "question": "W?", "answers": [], "is_impossible": False}),
        "is_impossible is false, and it has 0 answers",
    ),
    "an answer without its place": (document(question(start=None)), "answer_start is missing"),
    "a place that is a truth": (document(question(start=True)), "answer_start is true"),
    "a place before the beginning": (document(question(start=-4)), "answer_start is -4"),
    "an empty answer": (document(question(text="", start=0)), "an answer is empty"),
    "a question that is a number": (document(question(question=3)), "the question is 3"),
    "a context of nothing": (document(question(), context=" "), "the context is empty"),
    "no context": (document(question(), context=None), "the context is missing"),
    "half a character": (document(question(question="\ud83d?")), r"half a character, \\ud83d"),
    "no id": (document(question(name=None)), "question 1: the id is missing"),
    "no questions in a paragraph": (
        {"data": [{"paragraphs": [{"context": "a"}]}]},
        "1, paragraph 1: qas is missing",
    ),
    "a paragraph that is a text": ({"data": [{"paragraphs": ["a"]}]}, "paragraph 1: is 'a', and an object"),
    "paragraphs that are none": ({"data": [{"paragraphs": 3}]}, "paragraphs, a list, is expected"),
    "articles that are none": ({"data": {}}, "data, a list of articles, is expected"),
    "no data": ({"version": "1.1"}, "has no 'data'"),
    "no question at all": ({"data": []}, "has no question"),
    "a list": ([1], "an object is expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_as_squad_has_it_is_named_with_its_place(tmp_path, case):
    value, message = WRONG[case]
    with pytest.raises(InputError, match=message) as caught:
        read(write(tmp_path / "s.json", value))
    assert str(tmp_path / "s.json") in str(caught.value)
    assert "\n" not in str(caught.value)


BYTES = {
    "cut": (json.dumps(document(question())).encode()[:-30], "line 1, column"),
    "two documents": (json.dumps(document(question())).encode() * 2, "more than one document"),
    "a comma at the end": (b'{"data": [{"paragraphs": [],}]}', "a member's name and a colon"),
    "Latin-1": (json.dumps(document(question()), ensure_ascii=False).encode("utf-16"), "not UTF-8"),
    "nested": (b'{"data": ' + b"[" * 100_000, "expected|nested"),
    "nested where nobody looks": (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
    "nothing": (b"", "empty"),
    "a number of a million digits": (
        b'{"data": [{"paragraphs": [' + b"9" * 1_000_000 + b"]}]}",
        "cannot be read",
    ),
    "zeros": (b"\0" * 64, "is expected"),
}


@pytest.mark.parametrize("case", BYTES)
def test_what_is_no_json_is_one_line_with_the_files_name(tmp_path, case):
    data, message = BYTES[case]
    (tmp_path / "s.json").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "s.json")
    assert "s.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_document_beyond_the_limit_is_refused_before_it_is_read(tmp_path):
    path = write(tmp_path / "s.json", document(question()))
    with pytest.raises(InputError, match=r"longer than 100 bytes.*document_bytes"):
        read(path, limits={"document_bytes": 100})


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path):
    twice = document(question())
    twice["data"] += document(question("q2"))["data"]
    data = SquadFiles(files=write(tmp_path / "s.json", twice), evaluation_fraction=0)
    records = open_records(data, "train", lambda record: None)
    assert records[0].id == "q1"
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises(InputError, match=r"s\.json.*has changed while it was read"):
        records[1]


def test_a_damaged_question_is_left_out_where_the_spec_says_so(tmp_path):
    good = [question(f"g{number}") for number in range(9)]
    path = write(tmp_path / "s.json", document(*good, question("bad", start=0)))
    assert len(read(path, on_bad_record="skip", bad_records=0.2)) == 9
    with pytest.raises(InputError, match="1 of 10 records"):
        read(path, on_bad_record="skip", bad_records=0.05)


def rows(path, *found):
    """As hubs have SQuAD."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(found)), path)
    return path


def row(name="q1", texts=("1610",), starts=(14,), **others):
    answers = {"text": list(texts), "answer_start": list(starts)}
    return {"id": name, "title": "Tea", "context": CONTEXT, "question": "When?", "answers": answers, **others}


def table(path):
    data = QuestionTable(files=str(path), evaluation_fraction=0)
    records = open_records(data, "train", lambda record: None)
    return [records[number] for number in range(len(records))]


@pytest.mark.parametrize("name", ["s.jsonl", "s.parquet"])
def test_a_table_has_the_questions_that_the_document_has(tmp_path, name):
    twice = row(texts=("1610", "Tea"), starts=(14, 1))
    first, none = table(rows(tmp_path / name, twice, row("n", (), ())))
    (same,) = read(write(tmp_path / "s.json", document(question())))
    assert (first.id, first.question, first.context) == (same.id, same.question, same.context)
    assert first.answers == (Answer("1610", 14), Answer("Tea", 1))
    assert none.answers == ()


ROWS = {
    "an answer that stands elsewhere": (
        row(starts=(13,)),
        r"s\.jsonl:1: the answer '1610' is not at answer_start 13",
    ),
    "fewer places than answers": (
        row(texts=("1610", "Tea")),
        "has 2 answers and 'answers.answer_start' 1 places",
    ),
    "one answer and no list": (row(answers={"text": "1610", "answer_start": 14}), "holds a text, and a list"),
    "no answers": ({**row(), "answers": None}, "'answers.text' holds nothing"),
    "a text for a place": (row(starts=("x",)), "holds 'x', and a whole number"),
    "no context": (row(context=""), "column 'context' is empty"),
    "a missing column": ({"id": "a", "question": "b", "context": "c"}, "answers"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_is_no_question_is_named_with_its_line(tmp_path, case):
    value, message = ROWS[case]
    with pytest.raises(InputError, match=message) as caught:
        table(rows(tmp_path / "s.jsonl", value))
    assert "s.jsonl" in str(caught.value)


def test_an_id_that_two_rows_have_is_refused_and_so_is_a_format_without_lists(tmp_path):
    with pytest.raises(InputError, match=r"s\.jsonl:2: the id 'q1' stands there a second time"):
        table(rows(tmp_path / "s.jsonl", row(), row()))
    with pytest.raises(ValueError, match="TSV and CSV have no lists of answers"):
        QuestionTable(files="s.csv")


def test_a_key_that_stands_twice_is_named_and_leaves_out_no_more_than_its_paragraph(tmp_path):
    good, path = document(question()), tmp_path / "s.json"
    good["data"] += document(*(question(f"r{number}") for number in range(3)))["data"]
    text = json.dumps(good)
    path.write_text(text.replace('"id": "q1"', '"id": "q0", "id": "q1"'))
    with pytest.raises(InputError, match=r"s\.json: article 'Tea', paragraph 1: has the key 'id' twice"):
        read(path)
    left = read(path, on_bad_record="skip", bad_records=0.3)
    assert [each.id for each in left] == ["r0", "r1", "r2"]
    path.write_text(text.replace('"version"', '"data": [], "version"'))
    with pytest.raises(InputError, match=r"s\.json: .*line 1, column .*: the key 'data' is there twice"):
        read(path)
