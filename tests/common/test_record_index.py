"""The index of a source of records: kept beside a run, so that a later start reads none of them."""

from __future__ import annotations

import json
import logging
import shutil

import numpy as np
import pytest

from zoo_common.data import record_index, record_walk
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, open_records, read_records
from zoo_common.data.sources.parallel_text import PairFile
from zoo_common.data.sources.table_files import TextTableFile
from zoo_common.data.sources.tfrecord import TfRecordFile, write_tfrecords
from zoo_spec import load_spec
from zoo_spec.data import ParallelText, TextTable, TfRecordData
from zoo_spec.errors import InputError


class Texts(AnyRecord):
    """Learns all labels, in their order."""

    name = "texts"

    def __init__(self, *, known=True):
        self.seen, self.known = [], known

    def look(self, record):
        self.seen.append(getattr(record, "label", None))

    def learned(self):
        return [*self.seen]

    def recall(self, learned):
        if self.known:
            self.seen = [*learned]
        return self.known


@pytest.fixture
def made(tmp_path):
    """Files of a kind, what a spec says of them, and the class that reads them."""

    def make(kind, rows=30):
        if kind == "parallel_text":
            for end in ("de", "en"):
                text = "".join("\n" if index == 7 else f"{end} {index}\n" for index in range(rows))
                (tmp_path / f"a.{end}").write_text(text)
            files = {
                f"{name}_files": [str(tmp_path / f"a.{end}")]
                for name, end in (("source", "de"), ("target", "en"))
            }
            return {"kind": kind, **files}, PairFile
        path = tmp_path / f"a.{kind}"
        if kind == "tfrecord":
            write_tfrecords(path, ({"labels": np.asarray([index])} for index in range(rows)))
            return {"kind": kind, "files": [str(path)]}, TfRecordFile
        lines = {
            "tsv": lambda index: f"text {index}\t{index % 3}\n",
            "csv": lambda index: f'"text\n{index}",{index % 3}\n',
            "jsonl": lambda index: json.dumps({"t": f"text {index}", "l": str(index % 3)}) + "\n",
        }[kind]
        head = {"tsv": "t\tl\n", "csv": "t,l\n", "jsonl": ""}[kind]
        path.write_text(head + "\n".join(["", *map(lines, range(rows))])[1:])
        return {"kind": "text_table", "files": [str(path)], "text": "t", "label": "l"}, TextTableFile

    return make


KINDS = {"text_table": TextTable, "parallel_text": ParallelText, "tfrecord": TfRecordData}


def spec_of(data):
    return KINDS[data["kind"]](**{name: value for name, value in data.items() if name != "kind"})


@pytest.fixture
def opened(tmp_path):
    spec = load_spec("bert_tiny_classification")
    graph = spec.graph()

    def given(data, learner=None, split="train", run_dir=tmp_path / "run"):
        wanted = Wanted(spec.model_copy(update={"data": spec_of(data)}), graph, split, run_dir)
        return open_records(wanted.spec.data, split, learner or Texts(), wanted)

    return given


def told(records):
    return [repr(records[index]) for index in range(len(records))]


@pytest.fixture
def reads(monkeypatch):
    """Every place that is read, of these classes."""
    found = []

    def watch(kind):
        real = kind.read
        monkeypatch.setattr(kind, "read", lambda self, place: found.append(place) or real(self, place))
        monkeypatch.setattr(kind, "places", watched(kind.places, found))
        return found

    return watch


def watched(real, found):
    def places(self):
        found.append("places")
        return real(self)

    return places


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "tfrecord", "parallel_text"])
@pytest.mark.parametrize("is_large", [False, True])
def test_a_second_start_reads_no_record_and_gives_the_same(kind, is_large, made, opened, reads, monkeypatch):
    if is_large:
        monkeypatch.setattr(record_index, "_LARGE", 0)
        monkeypatch.setattr(record_walk, "AT_ONCE", 7)
    data, files = made(kind)
    plain = open_records(spec_of(data), "train", lambda record: None)
    first = Texts()
    expected = told(opened(data, first))
    assert expected == told(plain)
    assert expected
    found = reads(files)
    again = Texts()
    records = opened(data, again)
    assert found == []
    assert again.seen == first.seen != []
    assert told(records) == expected
    held = opened(data, Texts(), "eval")
    assert sorted(expected + told(held)) == sorted(told(open_all(data)))


def open_all(data):
    return open_records(spec_of({**data, "evaluation_fraction": 0.0}), "train", lambda record: None)


def test_data_that_changed_have_an_index_made_anew(made, opened, reads, tmp_path, caplog):
    data, _ = made("tsv")
    opened(data)
    path = tmp_path / "a.tsv"
    path.write_text(path.read_text() + "more\t9\n")
    learner = Texts()
    with caplog.at_level(logging.WARNING, "zoo"):
        opened(data, learner)
    assert len(learner.seen) == 31
    assert learner.seen[-1] == "9"
    assert "records_train_texts: was made of other data, and is made anew" in caplog.text


def test_a_learner_that_what_was_learned_does_not_do_for_looks_again(made, opened):
    data, _ = made("tsv")
    opened(data)
    learner = Texts(known=False)
    opened(data, learner)
    assert len(learner.seen) == 30


def test_a_start_that_was_killed_goes_on_behind_the_parts_that_it_left(made, opened, reads, monkeypatch):
    monkeypatch.setattr(record_index, "_LARGE", 0)
    monkeypatch.setattr(record_walk, "AT_ONCE", 7)
    data, files = made("tsv")
    whole = Texts()
    expected = told(opened(data, whole, run_dir=None))

    class Killed(Texts):
        def look(self, record):
            if len(self.seen) == 16:
                raise KeyboardInterrupt
            super().look(record)

    with pytest.raises(KeyboardInterrupt):
        opened(data, Killed())
    found = reads(files)
    learner = Texts()
    records = opened(data, learner)
    # Two parts of seven were whole; the places of all had been found.
    assert found.count("places") == 0
    assert len(found) == 30 - 14
    assert learner.seen == whole.seen
    assert told(records) == expected


def test_what_was_left_out_is_told_again_and_stays_left_out(made, opened, tmp_path, caplog):
    data, _ = made("tsv", rows=200)
    path = tmp_path / "a.tsv"
    path.write_bytes(path.read_bytes() + b"\xff\tx\n")
    data |= {"on_bad_record": "skip", "evaluation_fraction": 0.0}
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "zoo"):
            assert len(opened(data)) == 200
        assert "1 of 201 records could not be read and were left out" in caplog.text
    with pytest.raises(InputError, match=r"1 of 201 records .* more than data\.bad_records 0\.001 allows"):
        opened({**data, "bad_records": 0.001})


def test_a_file_of_a_plugin_that_knows_nothing_of_an_index_is_read_at_each_start(made, opened, monkeypatch):
    data, _ = made("tsv")
    monkeypatch.setattr(record_index, "IndexedFile", Texts)  # The shipped files are none then.
    for _ in range(2):
        learner = Texts()
        opened(data, learner)
        assert len(learner.seen) == 30


@pytest.mark.parametrize("kind", ["tsv", "tfrecord"])
def test_a_record_that_was_cut_off_behind_the_index_is_named(kind, made, opened, tmp_path):
    data, _ = made(kind)
    opened(data)
    records = opened(data)
    path = tmp_path / f"a.{kind}"
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    with pytest.raises(
        InputError, match=rf"a\.{kind}: .*(changed|record 30 .*beyond|record 30 is cut short)"
    ):
        told(records)


def test_a_damaged_index_is_made_anew(made, opened, tmp_path, caplog):
    data, _ = made("tsv")
    expected = told(opened(data))
    places = tmp_path / "run" / "data" / "records_train_texts" / "places.npy"
    places.write_bytes(places.read_bytes()[:-4])
    with caplog.at_level(logging.WARNING, "zoo"):
        assert told(opened(data)) == expected
    assert "is damaged" in caplog.text
    shutil.rmtree(tmp_path / "run")
    assert told(opened(data)) == expected


def test_what_a_source_reads_for_itself_before_is_shown_to_it_at_each_start(made, opened, monkeypatch):
    data, _ = made("tsv")
    real = dict(read_records.registry)[TextTable]
    peeked = []

    def peeking(data, split, look):
        real(data, split, peeked.append)
        return real(data, split, look)

    monkeypatch.setattr("zoo_common.data.records.read_records", peeking)
    for start in (1, 2):
        learner = Texts()
        opened(data, learner)
        assert len(peeked) == 30 * start
        assert len(learner.seen) == 30
