"""Running text of any source: each task makes of it what it makes of plain files."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard

from whole_text import read_corpus
from zoo_common.data import open_dataset
from zoo_common.data.base import DataDescription
from zoo_common.data.file_marks import sources
from zoo_common.data.records import read_records
from zoo_spec import load_spec
from zoo_spec.data import RunningTextData, RunningTextTable, TextData
from zoo_spec.data.records import RunningText
from zoo_spec.errors import InputError

DOCUMENTS = [
    " ".join(f"Sentence {number} of {topic} tells of cats and dogs." for number in range(12))
    for topic in ("rivers", "mountains", "valleys", "lakes", "woods")
]


class Letters(RunningTextData):
    """A source that a plugin might bring; its class has no kind, which would stand in every list of kinds."""


def _letters(**fields):
    return Letters.model_construct(kind="letters", **fields)


class LetterRecords:
    def __len__(self):
        return len(DOCUMENTS)

    def __getitem__(self, index):
        return RunningText(f"letters:{index + 1}", DOCUMENTS[index])

    def description(self):
        return DataDescription("letters", 0, 0, 0)


@read_records.register
def _read(data: Letters, split, look):
    found = LetterRecords()
    for index in range(len(found)):
        look(found[index])
    return found


@pytest.mark.parametrize("name", ["bert_tiny", "ernie_tiny", "roberta_tiny", "gpt2_tiny", "t5_tiny"])
def test_a_source_of_a_plugin_s_feeds_each_task_as_files_do(name, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n\n\n".join(DOCUMENTS))
    given = load_spec(name)
    shared = {"sequence_length": 32, "tokenizer": given.data.tokenizer, "masking": given.data.masking}
    made = []
    for data in (_letters(**shared), TextData(files=(str(path),), **shared)):
        spec = given.model_copy(update={"data": data})
        made.append(
            [open_dataset(spec, None, split).examples([(0, 0), (1, 0)]) for split in ("train", "eval")]
        )
    assert made[0][0][0].keys() == made[1][0][0].keys() > {"input_ids"}
    for one, other in zip(np.ravel(made[0]), np.ravel(made[1]), strict=True):
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key])


def test_a_task_that_people_label_is_told_apart_before_anything_is_read():
    spec = load_spec("bert_tiny_classification").model_copy(update={"data": _letters()})
    with pytest.raises(InputError, match="'letters' is running text, which sequence_classification does not"):
        open_dataset(spec, None, "train")


def test_a_document_without_text_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(globals(), "DOCUMENTS", [*DOCUMENTS * 40, " "])
    spec = load_spec("gpt2_tiny").model_copy(update={"data": _letters()})
    with pytest.raises(InputError, match="letters:201: has no text"):
        open_dataset(spec, None, "train")


def _rows():
    """As in C4 and the Pile: what else there is of a document beside its text is no text."""
    return [{"text": text, "meta": {"pile_set_name": "Github"}, "url": "http://a.b"} for text in DOCUMENTS]


def _json_lines():
    return "".join(json.dumps(row) + "\n" for row in _rows()).encode()


WRITERS = {
    "c4-train.00000-of-01024.json.gz": lambda path: path.write_bytes(gzip.compress(_json_lines())),
    "00.jsonl.zst": lambda path: path.write_bytes(zstandard.compress(_json_lines())),
    "part.jsonl.xz": lambda path: path.write_bytes(lzma.compress(_json_lines())),
    "part.parquet": lambda path: pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_rows()), path),
    "part.arrow": lambda path: pyarrow.feather.write_feather(pyarrow.Table.from_pylist(_rows()), str(path)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_shards_of_c4_and_the_pile_are_the_documents_that_they_hold(name, tmp_path):
    WRITERS[name](tmp_path / name)
    given = "jsonl" if ".json." in name else None
    data = RunningTextTable(files=(str(tmp_path / f"*{name[2:]}"),), format=given)
    plain = tmp_path / "plain.txt"
    plain.write_text("\n\n\n".join(DOCUMENTS))
    found, wanted = read_corpus(data), read_corpus(TextData(files=(str(plain),)))
    assert found.documents == wanted.documents
    assert found.held_out == wanted.held_out
    assert [source.path.name for source in sources(data)] == [name]


def test_a_row_without_text_is_named_and_may_be_left_out(tmp_path):
    path = tmp_path / "part.jsonl"
    path.write_bytes(_json_lines() * 40 + b'{"text": 7}\n')
    data = RunningTextTable(files=(str(path),))
    with pytest.raises(InputError, match=r"part\.jsonl:201: column 'text' holds a number"):
        read_corpus(data)
    assert len(read_corpus(data.model_copy(update={"on_bad_record": "skip"})).documents) == 200


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_packed_files_of_one_document_each_and_any_line_end_are_read_alike(end, tmp_path):
    text = "One is here.\n\n\n\nTwo is here.\n\nThree is too.\n".replace("\n", end)
    for number in range(3):
        (tmp_path / f"{number}.txt.bz2").write_bytes(bz2.compress(b"\xef\xbb\xbf" + text.encode()))
    files = (str(tmp_path / "*.txt.bz2"),)
    alone = read_corpus(TextData(files=files, documents="files"))
    assert alone.documents == (("One is here.", "Two is here.", "Three is too."),) * 3
    apart = read_corpus(TextData(files=files))
    assert apart.documents == (("One is here.",), ("Two is here.", "Three is too.")) * 3
    lines = read_corpus(TextData(files=files, layout="sentence_lines"))
    assert lines.documents == (("One is here.",), ("Two is here.",), ("Three is too.",)) * 3
