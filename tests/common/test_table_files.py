"""Tables of Parquet and Arrow, and columns that are paths: the rows that ``datasets`` and pyarrow write and read."""

from __future__ import annotations

import gzip
import json
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset
from pyarrow import parquet

from zoo_common.data.records import open_records
from zoo_common.data.sources.cells import TableForm, cell_at
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data import TextTable
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.records import LabelledText
from zoo_spec.errors import InputError

ROWS = [
    {
        "id": number,
        "text": f"naïve {number}\u2028 ",
        "label": ["a", "b"][number % 2],
        "deep": {"er": [number]},
    }
    for number in range(2_500)
]


def _stream(path, rows=ROWS):
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, pa.Table.from_pylist(rows).schema) as writer,
    ):
        writer.write_table(pa.Table.from_pylist(rows), max_chunksize=700)


def _file(path, rows=ROWS):
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=900)


def _parquet(path, rows=ROWS):
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=600)


def _packed(path, rows=ROWS):
    _parquet(path, rows)
    path.write_bytes(gzip.compress(path.read_bytes()))


def _by_datasets(path, rows=ROWS):
    Dataset.from_list(rows).to_parquet(path)


def _folder_of_datasets(path, rows=ROWS):
    Dataset.from_list(rows).save_to_disk(path.parent / "saved")
    (path.parent / "saved" / "data-00000-of-00001.arrow").rename(path)


WRITE = {
    "a.parquet": _parquet,
    "b.parquet.gz": _packed,
    "c.parquet": _by_datasets,
    "d.arrow": _file,
    "e.arrow": _stream,
    "f.arrow": _folder_of_datasets,
}


@pytest.mark.parametrize("name", WRITE)
def test_rows_are_those_that_were_written_in_any_order(tmp_path, name):
    path = tmp_path / name
    WRITE[name](path)
    data = TextTable(files=str(path), text="text", label="label", evaluation_fraction=0.0)
    records = open_records(data, "train", lambda record: None)
    assert len(records) == len(ROWS)
    for index in np.random.default_rng(0).permutation(len(ROWS))[:300]:
        row = ROWS[index]
        where = f"{path}: row {index + 1}"
        assert records[index] == LabelledText(where, (row["text"],), row["label"], (row["label"],))


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.arrow"])
def test_a_column_may_be_a_path_into_what_a_column_holds(tmp_path, name):
    path = tmp_path / name
    rows = [
        {
            "text.raw": "with a dot",
            "answers": {"text": ["x"], "start": [3]},
            "parts": [{"at": 1}, {"at": None}],
        }
    ]
    if name == "a.jsonl":
        path.write_text(json.dumps(rows[0]) + "\n")
    else:
        WRITE["a.parquet" if name == "a.parquet" else "d.arrow"](path, rows)
    found = []
    columns = ("text.raw", "answers.start", "parts.at", "answers")
    data = TextTable(files=str(path), text="text.raw", label="answers.text", evaluation_fraction=0.0)

    def record(cells, where):
        found.append(list(cells))
        return LabelledText(where, ("",), "", ())

    read_table(data, [str(path)], TableForm(columns, TextLimits()), record, lambda record: None)
    assert found == [["with a dot", [3], [1, None], rows[0]["answers"]]]
    assert open_records(data, "train", lambda record: None)[0].labels == ("x",)


def test_what_is_not_on_the_path_is_named_whole():
    with pytest.raises(KeyError, match=r"a\.b\.c"):
        cell_at({"a": {"b": {"d": 1}}}, "a.b.c")
    with pytest.raises(KeyError, match=r"a\.b"):
        cell_at({"a": "text"}, "a.b")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize("name", ["a.parquet", "d.arrow", "e.arrow"])
@pytest.mark.parametrize(
    ("harm", "fields", "said"),
    [
        (_cut, {}, r"(cannot be read by pyarrow: .*get the file again|ends too early)"),
        (lambda path: path.write_bytes(b"text\tlabel\na\tb\n"), {}, r"cannot be read by pyarrow"),
        (lambda path: path.write_bytes(b""), {}, r"the file is empty"),
        (lambda path: None, {"label": "lable"}, r"has no column 'lable'; its columns are 'id', 'text'"),
        (lambda path: None, {"label": "deep"}, r"row 1: column 'deep' holds an object, and a label"),
        (lambda path: None, {"text": "id"}, r"row 1: column 'id' holds a number, and a text is expected"),
        (lambda path: None, {"label": "deep.est"}, r"row 1 has no 'deep.est'"),
        (lambda path: None, {"limits": {"unpacked_bytes": 5000}}, r"unpacks to more than 5,000 bytes"),
        (lambda path: None, {"limits": {"file_bytes": 5000}}, r"bytes long, and 5,000 are the most"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(tmp_path, name, harm, fields, said):
    path = tmp_path / name
    WRITE[name](path)
    harm(path)
    given = {"text": "text", "label": "label", **fields}
    with pytest.raises(InputError, match=said) as raised:
        open_records(TextTable(files=str(path), **given), "train", lambda record: None)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_parquet_that_was_written_over_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    _parquet(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 200] = b"\xff" * 200
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: cannot be read by pyarrow: .*get the file again"):
        open_records(TextTable(files=str(path), text="text", label="label"), "train", lambda record: None)


def test_columns_of_parquet_have_names():
    with pytest.raises(ValueError, match="Parquet has names for columns"):
        TextTable(files="a.parquet", text=0, label="label")
    TextTable(files=["a.tsv", "b.csv.zst"], text=0, label=1, header=False)


def test_rows_that_are_no_records_are_skipped_up_to_the_limit_and_counted(tmp_path, caplog):
    path = tmp_path / "a.parquet"
    rows = [{"text": "" if number % 50 == 7 else f"text {number}", "label": "x"} for number in range(100)]
    _parquet(path, rows)
    read = partial(TextTable, files=str(path), text="text", label="label", evaluation_fraction=0.0)
    with pytest.raises(InputError, match="row 8: column 'text' is empty"):
        open_records(read(), "train", lambda record: None)
    with pytest.raises(
        InputError, match=r"2 of 100 records could not be read.*more than data.bad_records 0.01"
    ):
        open_records(read(on_bad_record="skip"), "train", lambda record: None)
    kept = open_records(read(on_bad_record="skip", bad_records=0.02), "train", lambda record: None)
    assert [kept[index].texts[0] for index in (6, 7)] == ["text 6", "text 8"]
    assert len(kept) == 98
