"""What is made of data is kept beside a run or in a prepared directory, whole or not at all, and told from others."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hard_disk import little_room, read_only
from zoo_common.data.entries import Draft, Entry, read_part, write_part
from zoo_common.data.progress import Work
from zoo_common.data.reader import Wanted
from zoo_common.data.store import Store
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, InputError

WORDS = "One sentence here. Another one there.\n"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(WORDS * 5)
    return path


def wanted(text, run_dir=None, **data):
    values = {"data.kind": "text", "data.files": [str(text)], **data}
    spec = load_spec("bert_tiny", [f"{name}={json.dumps(value)}" for name, value in values.items()])
    return Wanted(spec, spec.graph(), "train", run_dir)


def made(store, value=7, *, name="numbers", **key):
    """An entry, and whether it was made just now."""
    calls = []

    def make(draft):
        calls.append(draft)
        draft.save("squares", np.arange(value) ** 2)
        with draft.growing("pairs", np.uint16, (2,)) as file:
            for number in range(3):
                file.append(np.full((number, 2), number))
        draft.save("nothing", np.zeros((0, 4), np.int32))
        return {"count": value}

    return store.entry(name, store.key(**key), make), bool(calls)


def test_an_entry_is_made_once_and_its_arrays_are_mapped(text, tmp_path):
    entry, is_new = made(Store.of(wanted(text, tmp_path / "run")))
    assert is_new
    entry, is_new = made(Store.of(wanted(text, tmp_path / "run")))
    assert not is_new
    assert entry["squares"].tolist() == [0, 1, 4, 9, 16, 25, 36]
    assert entry["pairs"].tolist() == [[1, 1], [2, 2], [2, 2]]
    assert entry["pairs"].dtype == np.uint16
    assert entry["nothing"].shape == (0, 4)
    assert entry.facts == {"count": 7}
    assert not entry["squares"].flags.writeable
    assert type(entry["squares"]) is np.ndarray
    # The same bytes as NumPy's own reader finds.
    assert np.load(tmp_path / "run" / "data" / "numbers" / "pairs.npy").tolist() == entry["pairs"].tolist()
    assert pickle.loads(pickle.dumps(entry))["squares"].tolist() == entry["squares"].tolist()
    assert len(pickle.dumps(entry)) < 1000


def test_without_a_run_it_lasts_as_long_as_whoever_has_it(text):
    entry, _ = made(Store.of(wanted(text)))
    folder = entry.folder
    assert entry["squares"][3] == 9
    assert folder.exists()
    del entry
    assert not folder.exists()


def test_other_text_beside_a_run_is_told_and_made_anew(text, tmp_path, caplog):
    made(Store.of(wanted(text, tmp_path / "run")))
    text.write_text(WORDS * 6)
    entry, is_new = made(Store.of(wanted(text, tmp_path / "run")), 3)
    assert is_new
    assert len(entry["squares"]) == 3
    [warning] = [each.getMessage() for each in caplog.records]
    assert "is made anew" in warning
    assert f"had {5 * len(WORDS)} bytes" in warning
    assert f"now {6 * len(WORDS)} bytes" in warning


@pytest.mark.parametrize(
    ("data", "key", "says"),
    [
        ({"data.layout": "sentence_lines"}, {}, "data.layout: prose, now sentence_lines"),
        ({}, {"tokenizer": "b" * 64}, "the tokenizer: SHA-256 aaaaaaaaaaaa…, now bbbbbbbbbbbb…"),
        ({}, {"also": {"task.kind": "other"}}, "task.kind: None, now other"),
    ],
)
def test_a_prepared_directory_of_other_data_is_refused_by_what_differs(text, tmp_path, data, key, says):
    made(Store.of(wanted(text, tmp_path / "run")), tokenizer="a" * 64)
    prepared = str(tmp_path / "run" / "data")
    same = {"tokenizer": "a" * 64}
    entry, is_new = made(Store.of(wanted(text, **{"data.prepared": prepared})), **same)
    assert not is_new
    with pytest.raises(InputError) as error:
        made(Store.of(wanted(text, **{"data.prepared": prepared}, **data)), **{**same, **key})
    title, *lines = str(error.value).splitlines()
    assert prepared in title
    assert [line.strip() for line in lines] == [says]
    assert entry["squares"][2] == 4


def test_a_prepared_directory_needs_no_source_but_refuses_another(text, tmp_path):
    made(Store.of(wanted(text, tmp_path / "run")))
    prepared = {"data.prepared": str(tmp_path / "run" / "data")}
    moved = text.rename(tmp_path / "moved.txt")
    assert not made(Store.of(wanted(text, **prepared)))[1]
    assert not made(Store.of(wanted(moved, **prepared)))[1]
    pattern = wanted(tmp_path / "te*.txt", **prepared)
    assert not made(Store.of(pattern))[1]
    text.write_text(WORDS.upper() * 5)
    with pytest.raises(InputError, match=r"data\.files\[0\] .*: had 190 bytes, SHA-256 .*now 190 bytes"):
        made(Store.of(wanted(text, **prepared)))
    with pytest.raises(InputError, match="has no lengths"):
        made(Store.of(wanted(moved, **prepared)), name="lengths")
    with pytest.raises(InputError, match="no such directory"):
        Store.of(wanted(text, **{"data.prepared": str(tmp_path / "none")}))


def test_a_prepared_directory_of_another_format_is_refused(text, tmp_path):
    entry, _ = made(Store.of(wanted(text, tmp_path / "run")))
    facts = entry.folder / "facts.json"
    facts.write_text(facts.read_text().replace('"format": 1', '"format": 0'))
    with pytest.raises(InputError, match="its form: 0, and this Zoo keeps 1"):
        made(Store.of(wanted(text, **{"data.prepared": str(entry.folder.parent)})))


@pytest.mark.parametrize("damage", ["cut", "grown", "gone", "facts"])
def test_a_damaged_entry_is_made_anew_beside_a_run_and_refused_where_prepared(text, tmp_path, damage, caplog):
    entry, _ = made(Store.of(wanted(text, tmp_path / "run")))
    file = entry.folder / "squares.npy"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "grown":
        file.write_bytes(file.read_bytes() + b"\0")
    elif damage == "gone":
        file.unlink()
    else:
        (entry.folder / "facts.json").write_text('{"key": 3}')
    with pytest.raises(InputError, match=r"squares\.npy|facts\.json"):
        made(Store.of(wanted(text, **{"data.prepared": str(entry.folder.parent)})))
    entry, is_new = made(Store.of(wanted(text, tmp_path / "run")))
    assert is_new
    assert "it is made anew" in caplog.text
    assert len(entry["squares"]) == 7


def test_a_full_disk_is_told_and_leaves_only_whole_parts(text, tmp_path):
    store = Store.of(wanted(text, tmp_path / "run"))
    key = store.key()

    def make(draft):
        part = read_part(draft.part("0"))
        if part is None:
            write_part(draft.part("0"), {"a": np.arange(3)})
        with draft.growing("large", np.int64) as file:
            file.append(np.arange(100_000))
        return {"found": part is not None}

    with little_room(50_000), pytest.raises(EnvironmentFault, match="free some room"):
        store.entry("numbers", key, make)
    left = [path.name for path in (tmp_path / "run" / "data").rglob("*") if path.is_file()]
    assert sorted(left) == [".numbers.lock", "0.npz", "sources.json"]
    entry = store.entry("numbers", key, make)
    assert entry.facts == {"found": True}
    assert [path.name for path in entry.folder.iterdir() if path.is_dir()] == []


def test_wrong_input_leaves_nothing(text, tmp_path):
    store = Store.of(wanted(text, tmp_path / "run"))

    def make(draft):
        write_part(draft.part("0"), {"a": np.arange(3)})
        raise InputError("not UTF-8")

    with pytest.raises(InputError, match="not UTF-8"):
        store.entry("numbers", store.key(), make)
    assert {path.name for path in store.folder.iterdir()} == {".numbers.lock", "sources.json"}


def test_where_nothing_may_be_written_it_is_made_elsewhere_and_told(text, tmp_path, caplog):
    run = tmp_path / "run"
    (run / "data").mkdir(parents=True)
    with read_only(run, run / "data"):
        entry, is_new = made(Store.of(wanted(text, run)))
    assert is_new
    assert "made again the next time" in caplog.text
    assert entry["squares"][2] == 4
    assert not list((run / "data").iterdir())


def test_a_file_in_its_place_is_an_error(text, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(InputError, match="give another path"):
        made(Store.of(wanted(text, tmp_path)))


def test_a_damaged_part_is_none(tmp_path):
    path = tmp_path / "part.npz"
    assert read_part(path) is None
    write_part(path, {"a": np.arange(1000)})
    assert read_part(path)["a"].sum() == 499_500
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(bytes(data))
    assert read_part(path) is None
    path.write_bytes(bytes(data[:100]))
    assert read_part(path) is None


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from zoo_common.data.entries import Draft, write_part
draft = Draft(Path(sys.argv[1]))
draft.folder.mkdir(parents=True)
write_part(draft.part("0"), {"a": np.arange(3)})
with draft.growing("large", np.int64) as file:
    file.append(np.arange(100))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_what_a_killed_process_left_is_no_entry_and_its_parts_are_found(tmp_path):
    folder = tmp_path / "draft"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL
    with pytest.raises(InputError):
        Entry(folder)
    assert read_part(Draft(folder).part("0"))["a"].tolist() == [0, 1, 2]


def test_a_file_is_read_for_its_mark_once(text, tmp_path, monkeypatch):
    import os

    from zoo_common.data import file_marks

    os.utime(text, ns=(10**18, 10**18))  # Long ago, so that its time says something.
    monkeypatch.setattr(file_marks, "_HASHES", {})
    store = Store.of(wanted(text, tmp_path / "run"))
    first = store.key()
    monkeypatch.setattr(file_marks, "_HASHES", {})
    monkeypatch.setattr(file_marks, "sha256_of", lambda file: pytest.fail("read again"))
    assert Store.of(wanted(text, tmp_path / "run")).key() == first
    assert Path(first.sources[0].path) == text


def test_work_that_takes_long_is_told_every_few_seconds(caplog):
    now = [0.0]
    with caplog.at_level("INFO"), Work("reading", 10_000_000, "bytes", clock=lambda: now[0]) as work:
        for _ in range(10):
            now[0] += 1
            work.advance(1_000_000)
    said = [each.getMessage() for each in caplog.records]
    assert said == [
        "reading: 2.0 MB of 10.0 MB, about 8 s left",
        "reading: 7.0 MB of 10.0 MB, about 3 s left",
        "reading: 10.0 MB done in 10 s",
    ]
    caplog.clear()
    with Work("reading", 5, clock=lambda: 0.0) as work:
        work.advance(5)
    assert not caplog.records
