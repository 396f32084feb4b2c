"""Files with something wrong in one place: that place is named, or left out alone; never a traceback or silence."""

import csv
import gzip
import json
import os

import pytest

from zoo_common.data.records import open_records
from zoo_spec.data import (
    ArrayRecordData,
    BertSumShards,
    ParquetRecordData,
    Severstal,
    SummaryTable,
)
from zoo_spec.errors import InputError


def opened(kind, **fields):
    found = open_records(kind(evaluation_fraction=0, **fields), "train", lambda record: None)
    assert found.description().source
    return found


def test_an_array_record_that_was_cut_off_is_not_taken_for_one_without_records(tmp_path):
    library = pytest.importorskip("array_record.python.array_record_module")
    whole, cut = tmp_path / "a", tmp_path / "b"
    writer = library.ArrayRecordWriter(str(whole), "group_size:1")
    writer.write(b"")
    writer.close()
    cut.write_bytes(whole.read_bytes()[:-5])
    assert len(opened(ArrayRecordData, files=str(whole))) == 1
    with pytest.raises(InputError, match="b: is no ArrayRecord, or its end is missing"):
        opened(ArrayRecordData, files=[str(whole), str(cut)])


def test_equal_numbers_that_take_no_room_in_a_parquet_file_are_bounded(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
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
