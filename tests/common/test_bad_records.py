"""Files with something wrong in one place: that place is named, or left out alone; never a traceback or silence."""

import csv
import gzip
import json
import os

import pytest

from sound_folders import librispeech, manifest
from zoo_common.data.records import open_records
from zoo_spec.data import (
    ArrayRecordData,
    AudioManifest,
    BertSumShards,
    CnnDailyMail,
    ConllFiles,
    CsvRecordData,
    Hdf5Data,
    LibriSpeech,
    ParallelText,
    ParquetRecordData,
    PubTatorFiles,
    Severstal,
    SummaryTable,
    TextData,
    TextTable,
)
from zoo_spec.errors import InputError

GOOD = 150
TABLE = {"text": "t", "label": "l"}
# The kind, a file's name, its beginning, a good record, one that is no UTF-8, and what else the spec says.
BYTES = {
    "jsonl": (TextTable, "a.jsonl", b"", b'{"t": "a", "l": "x"}\n', b'{"t": "\xff", "l": "x"}\n', TABLE),
    "tsv": (TextTable, "a.tsv", b"t\tl\n", b"a\tx\n", b"\xff\tx\n", TABLE),
    "csv": (TextTable, "a.csv", b"t,l\n", b'"a\nb",x\n', b'"\xff\nb",x\n', TABLE),
    "csv_records": (CsvRecordData, "a.csv", b"a,b\n", b'"[1, 2]",3\n', b'"[1, \xff]",3\n', {}),
    "csv_records_return": (CsvRecordData, "a.csv", b"a,b\n", b'"[1, 2]",3\n', b"1\r2,3\n", {}),
    "conll": (ConllFiles, "a.txt", b"", b"a B-x\n\n", b"\xff O\n\n", {}),
    "text": (TextData, "a.txt", b"", b"A.\n\n\n", b"\xff B.\rC.\n\n\n", {}),
    "pubtator": (PubTatorFiles, "a.txt", b"", b"1|t|T\n1|a|A\n\n", b"1|t|\xff\n1|a|A\n\n", {}),
}


def opened(kind, **fields):
    found = open_records(kind(evaluation_fraction=0, **fields), "train", lambda record: None)
    assert found.description().source
    return found


@pytest.mark.parametrize("name", BYTES)
def test_a_record_with_bytes_that_are_no_text_is_named_and_can_be_left_out_alone(tmp_path, name):
    kind, file, head, good, bad, fields = BYTES[name]
    path = tmp_path / file
    path.write_bytes(head + good * GOOD + bad + good)
    line = (head + good * GOOD).count(b"\n") + 1
    with pytest.raises(InputError, match=rf"{file}\b.*line {line}\b"):
        opened(kind, files=str(path), **fields)
    assert len(opened(kind, files=str(path), on_bad_record="skip", **fields)) == GOOD + 1


def test_a_line_or_a_story_that_is_no_text_can_be_left_out_alone(tmp_path):
    source, target = tmp_path / "a.de", tmp_path / "a.en"
    source.write_bytes(b"a\n" * GOOD + b"\xff\n")
    target.write_bytes(b"a\n" * (GOOD + 1))
    pairs = {"source_files": str(source), "target_files": str(target)}
    with pytest.raises(InputError, match=rf"a\.de: not UTF-8.*line {GOOD + 1}\b"):
        opened(ParallelText, **pairs)
    assert len(opened(ParallelText, on_bad_record="skip", **pairs)) == GOOD
    said = {f"84-121123-{number:04}": "GO" for number in range(100)}
    chapter = librispeech(tmp_path, said) / "84-121123.trans.txt"
    chapter.write_bytes(chapter.read_bytes().replace(b"0001 GO", b"0001 G\xff"))
    speech = {"directory": str(tmp_path), "subsets": ("dev-clean",)}
    with pytest.raises(InputError, match=r"trans\.txt: not UTF-8.*line 2\b"):
        opened(LibriSpeech, **speech)
    assert len(opened(LibriSpeech, on_bad_record="skip", **speech)) == 99
    for file, line in (("train.ltr", 2), ("train.tsv", 3)):
        listed = manifest(tmp_path, ltr="G O |\nG O |\n")
        path = tmp_path / file
        path.write_bytes(path.read_bytes().rstrip(b"\n") + b"\xff\n")
        listed = {"manifest": listed.manifest, "root": listed.root, "transcripts": "ltr"}
        with pytest.raises(InputError, match=rf"{file}: not UTF-8.*line {line}\b"):
            opened(AudioManifest, **listed)
        assert len(opened(AudioManifest, on_bad_record="skip", bad_records=0.5, **listed)) == 1
    stories = tmp_path / "stories"
    stories.mkdir()
    for index in range(GOOD):
        (stories / f"{index}.story").write_text("x.\n\n@highlight\n\ny\n")
    (stories / "a.story").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a\.story: not UTF-8"):
        opened(CnnDailyMail, stories=str(stories))
    assert len(opened(CnnDailyMail, stories=str(stories), on_bad_record="skip")) == GOOD


def test_a_document_with_a_key_twice_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"src": [["a"]], "tgt": [["b"]]}, {"src": [["a"]], "src": [["c"]], "tgt": [["b"]]}]')
    with pytest.raises(InputError, match=r"a\.json, document 2: has the key 'src' twice"):
        opened(BertSumShards, files=str(path))
    assert len(opened(BertSumShards, files=str(path), on_bad_record="skip", bad_records=0.5)) == 1


@pytest.mark.parametrize("cell", ["NaN", '"[1, Infinity]"', '"[-Infinity]"', "1e999"])
def test_a_number_that_is_none_is_named_with_its_line_and_column(tmp_path, cell):
    path = tmp_path / "a.csv"
    path.write_text(f"a,b\n1,2\n3,{cell}\n")
    with pytest.raises(InputError, match=r"a\.csv: line 3 holds .* as b, and a number has to be finite"):
        opened(CsvRecordData, files=str(path))
    assert len(opened(CsvRecordData, files=str(path), on_bad_record="skip", bad_records=0.5)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\r1,2\r", "line 1 has a carriage return"),
        ("a,b\n1\r2,3\n", "line 2 has a carriage return"),
    ],
)
def test_a_return_that_ends_no_line_is_named_by_its_line(tmp_path, content, said):
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode())
    with pytest.raises(InputError, match=rf"a\.csv: {said}"):
        opened(CsvRecordData, files=str(path))


@pytest.mark.parametrize("content", ["\n", "\n\n"])
def test_a_list_that_names_no_file_is_refused(tmp_path, content):
    path = tmp_path / "meta.dat"
    path.write_text(content)
    with pytest.raises(InputError, match=r"meta\.dat: names no file"):
        opened(CsvRecordData, files=str(path))


def test_an_array_record_that_was_cut_off_is_not_taken_for_one_without_records(tmp_path):
    from array_record.python import array_record_module as library

    whole, cut = tmp_path / "a", tmp_path / "b"
    writer = library.ArrayRecordWriter(str(whole), "group_size:1")
    writer.write(b"")
    writer.close()
    cut.write_bytes(whole.read_bytes()[:-5])
    assert len(opened(ArrayRecordData, files=str(whole))) == 1
    with pytest.raises(InputError, match="b: is no ArrayRecord, or its end is missing"):
        opened(ArrayRecordData, files=[str(whole), str(cut)])


def test_equal_numbers_that_take_no_room_in_a_parquet_file_are_bounded(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"a": [[0] * 20_000]}), path)
    assert os.path.getsize(path) < 2_000
    with pytest.raises(
        InputError, match=r"a group of rows, 0, of 160,000 bytes, and 64,000 are the most; raise"
    ):
        opened(ParquetRecordData, files=str(path), limits={"record_bytes": 1_000})


def test_a_packed_shard_of_bertsum_is_read_and_a_long_one_refused(tmp_path):
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b'[{"src": [["a"]], "tgt": [["b"]]}]'))
    assert opened(BertSumShards, files=str(path))[0].summary == ("b",)
    with pytest.raises(InputError, match=r"longer than 10 bytes.*raise data\.limits\.document_bytes"):
        opened(BertSumShards, files=str(path), limits={"document_bytes": 10})


def test_a_summary_without_a_sentence_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    for row in ({"article": [], "highlights": "x"}, {"article": "x", "highlights": []}):
        path.write_text(json.dumps(row) + "\n")
        with pytest.raises(InputError, match=r"a\.jsonl:1: column '(article|highlights)' is an empty list"):
            opened(SummaryTable, files=str(path))


def test_many_runs_of_one_defect_are_read(tmp_path):
    csv.field_size_limit(131_072)  # as Python begins
    from PIL import Image

    (tmp_path / "train_images").mkdir()
    Image.new("L", (300, 300)).save(tmp_path / "train_images" / "a.jpg")
    runs = " ".join(f"{start} 1" for start in range(1, 90_000, 2))
    assert len(runs) > 131_072
    (tmp_path / "train.csv").write_text(f"ImageId,ClassId,EncodedPixels\na.jpg,1,{runs}\n")
    assert len(opened(Severstal, directory=str(tmp_path))) == 1


def test_a_mention_of_another_document_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1|t|Title\n1|a|Text\n2\t0\t5\tTitle\tDisease\tD1\n")
    with pytest.raises(InputError, match=r"a\.txt:3: is of the document '2', and stands with '1'"):
        opened(PubTatorFiles, files=str(path))


def test_examples_that_were_never_written_are_no_zeros(tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (10**12, 3, 4), "i4", chunks=(2, 3, 4))
        data[0] = 1
    with pytest.raises(InputError, match=r"a\.h5: /data has values in 1 of 500,000,000,000 pieces"):
        opened(Hdf5Data, files=str(path))


def test_a_sound_with_two_transcripts_is_refused(tmp_path):
    chapter = tmp_path / "train-clean-100" / "1" / "2"
    chapter.mkdir(parents=True)
    (chapter / "1-2.trans.txt").write_text("1-2-0000 A\n1-2-0000 B\n")
    with pytest.raises(InputError, match=r"1-2\.trans\.txt: line 2 has the sound 1-2-0000 a second time"):
        opened(LibriSpeech, directory=str(tmp_path))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([[1], [1, None]], "nothing"),
        ([[[1]], [[1], [1, 2]]], "lists of unequal lengths"),
    ],
)
def test_a_row_of_parquet_that_is_no_example_is_named_with_its_column(tmp_path, cells, said):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"a": cells, "note": ["x", None][: len(cells)]}), path)
    with pytest.raises(InputError, match=rf"a\.parquet: row 2 has {said}.* as 'a'; "):
        opened(ParquetRecordData, files=str(path))


def test_a_row_of_parquet_has_not_the_feature_that_is_null_there(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"a": [1, 2], "score": [0.5, None], "note": ["x", None]}), path)
    found = [sorted(record.values) for record in opened(ParquetRecordData, files=str(path))]
    assert found == [["a", "score"], ["a"]]
