"""Texts with summaries out of the forms that they are published in, and pairs of texts out of tables."""

from __future__ import annotations

import json
import logging

import pytest

from zoo_common.data.records import open_records
from zoo_spec.data import BertSumShards, CnnDailyMail, SummaryTable, TextPairTable
from zoo_spec.data.records import TextPair
from zoo_spec.errors import InputError

STORY = """(CNN) -- The boat left port at dawn. It carried ten goats.

Nobody knew why.

@highlight

Boat leaves with goats

@highlight

Reason unknown
"""


def all_of(data, split="train"):
    found = open_records(data, split, lambda record: None)
    return [found[index] for index in range(len(found))]


def sha1(url: str) -> str:
    import hashlib

    return hashlib.sha1(url.encode()).hexdigest()


@pytest.fixture
def stories(tmp_path):
    folder = tmp_path / "cnn" / "stories"
    folder.mkdir(parents=True)
    (folder / f"{sha1('http://a.org/goats')}.story").write_text(STORY)
    (folder / f"{sha1('http://a.org/empty')}.story").write_text("\n\n@highlight\n\nNothing was written\n")
    (folder / f"{sha1('http://a.org/void')}.story").write_text("")
    (folder / f"{sha1('http://a.org/other')}.story").write_text(
        "One. Two.\r\n\r\n@highlight\r\n\r\nThree\r\n"
    )
    (folder / "README").write_text("not a story")
    return folder


def test_a_story_is_its_sentences_and_its_highlights_and_those_without_a_text_are_counted(stories, caplog):
    with caplog.at_level(logging.WARNING, "zoo"):
        found = all_of(CnnDailyMail(stories=str(stories), evaluation_fraction=0.0))
    told = {record.document: record.summary for record in found}
    assert told == {
        ("(CNN) -- The boat left port at dawn.", "It carried ten goats.", "Nobody knew why."): (
            "Boat leaves with goats",
            "Reason unknown",
        ),
        ("One.", "Two."): ("Three",),
    }
    assert "2 stories have no text" in caplog.text


def test_stories_are_split_by_the_sha_1_of_their_addresses(stories, tmp_path, caplog):
    # `printf %s abc | sha1sum`, as FIPS 180-1 has it.
    assert sha1("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    (tmp_path / "train.txt").write_text("http://a.org/goats\nhttp://a.org/gone\n")
    (tmp_path / "val.txt").write_text("http://a.org/other\n")
    data = CnnDailyMail(
        stories=str(stories), urls=str(tmp_path / "train.txt"), evaluation_urls=str(tmp_path / "val.txt")
    )
    with caplog.at_level(logging.WARNING, "zoo"):
        assert [record.summary[0] for record in all_of(data)] == ["Boat leaves with goats"]
    assert "1 of 2 addresses have no story" in caplog.text
    assert [record.summary for record in all_of(data, "eval")] == [("Three",)]


def test_stories_that_cannot_be_read_are_named(stories, tmp_path):
    (stories / "bad.story").write_text("A text. Without an end.\n")
    with pytest.raises(InputError, match=r"bad\.story: has no line behind @highlight"):
        all_of(CnnDailyMail(stories=str(stories)))
    (stories / "bad.story").write_bytes(b"A text.\n\xff\n@highlight\n\nx\n")
    with pytest.raises(InputError, match=r"bad\.story: not UTF-8: byte 0xff at byte offset 8 \(line 2\)"):
        all_of(CnnDailyMail(stories=str(stories)))
    with pytest.raises(InputError, match="there is no such folder"):
        all_of(CnnDailyMail(stories=str(tmp_path / "none")))
    with pytest.raises(InputError, match=r"has no file called \*\.story"):
        all_of(CnnDailyMail(stories=str(tmp_path)))


ROW = {"article": "A goat ran. It fell.\nThe end.", "highlights": "Goat falls .\nAll is over .", "id": "x"}


def test_a_table_has_articles_with_their_highlights_a_line_each(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    (found,) = all_of(SummaryTable(files=str(tmp_path / "a.jsonl"), evaluation_fraction=0.0))
    assert found.document == ("A goat ran.", "It fell.", "The end.")
    assert found.summary == ("Goat falls .", "All is over .")
    listed = {"text": ["One. Still one.", "Two."], "gist": ["Three."]}
    (tmp_path / "b.jsonl").write_text(json.dumps(listed) + "\n")
    data = SummaryTable(
        files=str(tmp_path / "b.jsonl"), document="text", summary="gist", evaluation_fraction=0.0
    )
    (found,) = all_of(data)
    assert (found.document, found.summary) == (("One. Still one.", "Two."), ("Three.",))


def test_parquet_has_the_same_records(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.Table.from_pylist([ROW]), tmp_path / "a.parquet")
    (found,) = all_of(SummaryTable(files=str(tmp_path / "a.parquet"), evaluation_fraction=0.0))
    assert found.summary == ("Goat falls .", "All is over .")


def test_a_table_of_pairs_has_two_columns(tmp_path):
    (tmp_path / "a.tsv").write_text('en\tde\n"open\tauf\nnext\tnächste\n')
    data = TextPairTable(files=str(tmp_path / "a.tsv"), source="en", target="de", evaluation_fraction=0.0)
    assert all_of(data) == [
        TextPair(f"{tmp_path}/a.tsv:2", '"open', "auf"),
        TextPair(f"{tmp_path}/a.tsv:3", "next", "nächste"),
    ]
    (tmp_path / "a.tsv").write_text("en\tde\na\t \n")
    with pytest.raises(InputError, match=r"a\.tsv:2: column 'de' is empty"):
        all_of(data)


SHARD = [{"src": [["the", "boat", "left", "."], ["it", "sank", "."]], "tgt": [["boat", "sinks", "."]]}]
BAD = {
    "no JSON": ("[{", "cannot be read by JSON"),
    "no list": ('{"src": []}', "is no list of documents"),
    "an empty list": ("[]", "the list is empty"),
    "no object": ("[1]", "document 1: is no object with src and tgt"),
    "texts for tokens": ('[{"src": ["the boat"], "tgt": [["x"]]}]', "document 1: src is no list of lists"),
    "no summary": ('[{"src": [["a"]], "tgt": []}]', "document 1: tgt has no sentence"),
    "half a character": ('[{"src": [["\\ud800"]], "tgt": [["x"]]}]', "half a character"),
    "nothing": ("", "the file is empty"),
    "deep": ("[" * 100_000, "nested too deeply"),
}


def test_shards_of_bertsum_have_a_sentence_a_list(tmp_path):
    (tmp_path / "x.train.0.json").write_text(json.dumps(SHARD))
    (found,) = all_of(BertSumShards(files=str(tmp_path / "x.train.*.json"), evaluation_fraction=0.0))
    assert found.document == ("the boat left .", "it sank .")
    assert found.summary == ("boat sinks .",)
    assert found.where == f"{tmp_path}/x.train.0.json, document 1"


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_shard_is_refused_where_it_stands(tmp_path, name):
    content, said = BAD[name]
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=said):
        all_of(BertSumShards(files=str(tmp_path / "x.json")))
