"""Running text in pieces, over processes, kept beside a run: the same examples, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bert_corpus import make_corpus, make_examples
from hard_disk import little_room, read_only
from whole_text import read_corpus, running
from zoo_common.data import open_dataset
from zoo_common.data.base import DataDescription
from zoo_common.data.crew import Crew
from zoo_common.data.makers import kept_text
from zoo_common.data.makers.causal_examples import CausalExamples
from zoo_common.data.makers.span_examples import SpanExamples
from zoo_common.data.preparing import prepare
from zoo_common.data.sources import plain_text
from zoo_common.data.subwords import by_words, byte_level_bpe
from zoo_common.data.subwords.tokenizer import train
from zoo_spec import load_spec
from zoo_spec.data.spans import SpanSettings
from zoo_spec.errors import EnvironmentFault, InputError

WORDS = [
    "Mr.",
    "etc.",
    "A",
    "é",
    "ÀB.",
    "。",
    "日本語。",
    "x\u0301",
    "ΑΣ",
    "'s",
    "don't",
    "\u200b",
    "[MASK]",
    "1.",
]
SPACES = [" ", "\n", "\n\n", "\n \n", "\n\n\n", "\u00a0", "\x0c", "\t"]


def wild(count, seed=0):
    """Text with every sort of space and mark, most of it plain words."""
    drawn = np.random.default_rng(seed)
    words = [*WORDS, *["Word", "word.", "tells", "ends?", "Here"] * 4]
    spaces = [*SPACES, *[" "] * 40]
    return "".join(words[a] + spaces[b] for a, b in zip(
        drawn.integers(len(words), size=count), drawn.integers(len(spaces), size=count), strict=True
    ))  # fmt: skip


def spec(path, name="gpt2_tiny", **data):
    values = {"data.kind": "text", "data.files": [str(path)], **data}
    return load_spec(name, [f"{key}={json.dumps(value)}" for key, value in values.items()])


def shown(dataset):
    """All examples of an epoch."""
    return [{name: value.tolist() for name, value in each.items()} for each in
            dataset.examples([(0, index) for index in range(len(dataset))])]  # fmt: skip


def in_pieces(monkeypatch, crew=None):
    """Have small text cut as much text is: in pieces, over processes or this ``crew``, with parts that are kept."""
    monkeypatch.setattr(plain_text, "AT_ONCE", 3_000)
    monkeypatch.setattr(kept_text, "_FEW", 0)
    monkeypatch.setattr(kept_text, "processors", lambda: 2)
    monkeypatch.setattr(kept_text, "Crew", crew or Crew)


@pytest.mark.parametrize(
    ("documents", "layout", "over_processes"),
    [
        ("apart", "prose", True),
        ("apart", "sentence_lines", False),
        ("files", "prose", False),
        ("files", "sentence_lines", False),
    ],
)
def test_text_in_pieces_is_the_text_in_one(documents, layout, over_processes, tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text(wild(4_000) + "\n\n\n" + "All of this is one paragraph. " * 300, encoding="utf-8")
    given = spec(path, **{"data.layout": layout, "data.documents": documents})
    whole = [shown(open_dataset(given, None, split)) for split in ("train", "eval")]
    in_pieces(monkeypatch, None if over_processes else Here)
    found = [open_dataset(given, tmp_path / "run", split) for split in ("train", "eval")]
    assert [shown(each) for each in found] == whole
    corpus = read_corpus(given.data)  # Another way to read it: document by document, all in memory.
    notes = found[0].description().notes
    assert notes[0].startswith(f"{len(corpus.documents):,} documents, ")
    assert f"{corpus.characters:,} characters" in notes[0]


@pytest.mark.parametrize("made", [
    lambda text: train(text, 300, True), lambda text: train(text, 300, False),
    lambda text: byte_level_bpe.train(text, 400),
])  # fmt: skip
def test_ids_word_by_word_are_the_library_s_of_the_whole(made, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(wild(6_000, 1), encoding="utf-8")
    sentences = list(running(read_corpus(spec(path).data).documents))
    tokenizer = made(sentences[::2])
    assert by_words.words_of(tokenizer) is not None
    encoder = by_words.Encoder(tokenizer)
    for part in (sentences[:50], sentences, []):
        ids, lengths = encoder.encode(part)
        rows = tokenizer.tokenizer.encode_batch(part, add_special_tokens=False)
        assert lengths.tolist() == [len(row.ids) for row in rows]
        assert ids.tolist() == [each for row in rows for each in row.ids]


def test_a_token_that_was_added_with_a_space_in_it_is_found_in_the_whole_text():
    tokenizer = train(["new york is new and york is old"] * 3, 60, True)
    tokenizer.tokenizer.add_tokens(["new york"])
    ids, _ = by_words.Encoder(tokenizer).encode(["is new york old"])
    assert ids.tolist() == tokenizer.tokenizer.encode("is new york old", add_special_tokens=False).ids
    assert tokenizer.tokenizer.token_to_id("new york") in ids


def test_a_second_opening_reads_no_text_and_other_text_is_told(tmp_path, monkeypatch, caplog):
    path = tmp_path / "text.txt"
    path.write_text(wild(3_000), encoding="utf-8")
    first = shown(open_dataset(spec(path), tmp_path / "run", "train"))
    monkeypatch.setattr(plain_text.PlainText, "pieces", lambda self: pytest.fail("read again"))
    assert shown(open_dataset(spec(path), tmp_path / "run", "train")) == first
    monkeypatch.undo()
    path.write_text(wild(3_000) + "More.", encoding="utf-8")
    open_dataset(spec(path), tmp_path / "run", "train")
    assert "was made of other data, and is made anew" in caplog.text


def test_one_prepared_directory_serves_without_its_text(tmp_path):
    path, folder = tmp_path / "text.txt", tmp_path / "prepared"
    path.write_text(wild(3_000), encoding="utf-8")
    prepare(spec(path), folder)
    straight = [open_dataset(spec(path), None, split) for split in ("train", "eval")]
    path.unlink()
    given = {"data.prepared": str(folder)}
    found = [open_dataset(spec(path, **given), tmp_path / "run", split) for split in ("train", "eval")]
    assert list(map(shown, found)) == list(map(shown, straight))
    assert found[0].lengths()["sequence"].tolist() == straight[0].lengths()["sequence"].tolist()
    with pytest.raises(InputError, match=r"data\.layout: prose, now sentence_lines"):
        open_dataset(spec(path, **given, **{"data.layout": "sentence_lines"}), tmp_path / "other", "train")


def test_bytes_that_are_no_utf8_are_told_by_their_place(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    good = wild(2_000).encode()
    path.write_bytes(good + b"\n\n\nBad \xff text.\n\n\n" + good)
    in_pieces(monkeypatch)
    line = good.count(b"\n") + 4
    with pytest.raises(
        InputError, match=rf"not UTF-8: byte 0xff at byte offset {len(good) + 7} \(line {line}\)"
    ):
        open_dataset(spec(path), tmp_path / "run", "train")


KILLED = """
import json, os, signal, sys
from pathlib import Path
from zoo_common.data import open_dataset
from zoo_common.data.makers import kept_text
from zoo_common.data.preparing import prepare
from zoo_common.data.sources import plain_text
from zoo_spec import load_spec
plain_text.AT_ONCE, kept_text._FEW, kept_text.processors = 3_000, 0, lambda: 2
work, count = kept_text.Work.advance, [0]
def advance(self, size):
    work(self, size)
    count[0] += 1
    if count[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
kept_text.Work.advance = advance
spec = load_spec("gpt2_tiny", ["data.kind=text", f"data.files=[{sys.argv[1]}]"])
open_dataset(spec, Path(sys.argv[3]), "train")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_preparation_that_is_killed_half_way_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    path, run = tmp_path / "text.txt", tmp_path / "run"
    path.write_text(wild(8_000), encoding="utf-8")
    in_pieces(monkeypatch, Here)
    straight = shown(open_dataset(spec(path), tmp_path / "straight", "train"))
    pieces = len(list(plain_text.PlainText(spec(path).data, [str(path)]).pieces()))
    assert pieces > 8
    for at, name in ((3, "read"), (pieces + 4, "cut")):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(path), str(at), str(run)], check=False)
        assert ended.returncode == -signal.SIGKILL
        parts = {part.name: part.stat().st_mtime_ns for part in (run / "data").glob(f".*/parts/{name}_*.npz")}
        assert len(parts) >= 3
    made = []
    write = kept_text.write_part
    monkeypatch.setattr(
        kept_text, "write_part", lambda path, arrays: (made.append(path.name), write(path, arrays))
    )
    assert shown(open_dataset(spec(path), run, "train")) == straight
    assert len(made) == pieces - len(parts)  # And none of those that were there.
    assert not set(made) & parts.keys()
    names = ("ids", "sentences", "documents")
    for name in (f"tokens_train/{split}_{each}.npy" for split in ("train", "eval") for each in names):
        assert (run / "data" / name).read_bytes() == (tmp_path / "straight" / "data" / name).read_bytes()
    assert not [each.name for each in (run / "data").iterdir() if each.name.endswith(".partial")]


class Here:
    """In the place of processes."""

    def __init__(self, function, count):
        self.function = function

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def map(self, items):
        return map(self.function, items)


def _double(number):
    return 2 * number


def _die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _refuse(number):
    raise InputError(f"not {number}")


@pytest.fixture
def importable(monkeypatch):
    """This file as other processes find it."""
    folder = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(folder)
    for name in ("_double", "_die", "_refuse"):
        monkeypatch.setattr(globals()[name], "__module__", Path(__file__).stem)
    import importlib

    module = importlib.import_module(Path(__file__).stem)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_work_over_processes_keeps_its_order_and_tells_of_errors_and_deaths(importable):
    with Crew(importable._double, 2) as processes:
        assert list(processes.map(range(20))) == [2 * number for number in range(20)]
    with Crew(importable._refuse, 2) as processes, pytest.raises(InputError, match="not 0"):
        list(processes.map(range(20)))
    with (
        Crew(importable._die, 2) as processes,
        pytest.raises(EnvironmentFault, match="ended by signal 9"),
    ):
        list(processes.map(range(20)))


def test_a_full_disk_leaves_no_half_and_the_next_try_goes_on(tmp_path, monkeypatch):
    path, run = tmp_path / "text.txt", tmp_path / "run"
    path.write_text(wild(20_000), encoding="utf-8")
    in_pieces(monkeypatch, Here)
    open_dataset(spec(path), tmp_path / "straight", "train")
    with little_room(20_000), pytest.raises(EnvironmentFault, match="free some room"):
        open_dataset(spec(path, **{"training.seed": 0}), run, "train")
    assert not [each for each in (run / "data").rglob("*.npy") if each.parent.name.startswith(".")]
    assert shown(open_dataset(spec(path), run, "train")) == shown(open_dataset(spec(path), None, "train"))


def test_a_run_whose_data_may_not_be_written_is_read_all_the_same(tmp_path, caplog):
    path, run = tmp_path / "text.txt", tmp_path / "run"
    path.write_text(wild(2_000), encoding="utf-8")
    straight = shown(open_dataset(spec(path), run, "eval"))
    import shutil

    shutil.rmtree(run / "data")
    (run / "data").mkdir()
    with read_only(run, run / "data"):
        assert shown(open_dataset(spec(path), run, "eval")) == straight
    assert "will be made again the next time" in caplog.text


@pytest.mark.parametrize("pairs", [None, "next_sentence", "sentence_order", "sentence_distance"])
@pytest.mark.parametrize("jitter", [True, False])
def test_masked_examples_are_never_longer_than_is_said_and_mostly_as_long(pairs, jitter):
    inputs = frozenset(["input_ids", "masked_ids"])
    corpus = make_corpus(documents=30, sentences=5)
    made = make_examples(corpus, pairs=pairs, jitter=jitter, inputs=inputs, short_sequence_probability=0.1)
    said = made.lengths()
    met = _longest(made, {"sequence": "input_ids", "predictions": "masked_ids"}, 30)
    for name, lengths in met.items():
        assert (lengths <= said[name]).all()
        assert (lengths == said[name]).mean() > (0.9 if pairs != "next_sentence" else 0.6)
    assert len(set(said["sequence"].tolist())) > 1 or pairs in ("next_sentence", "sentence_distance")


@pytest.mark.parametrize("jitter", [True, False])
def test_windows_are_exactly_as_long_as_is_said(jitter):
    rest = {"seed": 0, "split": "train", "jitter": jitter, "about": DataDescription("", 0, 0, 0), "pad": 0}
    inputs = frozenset(["input_ids", "labels"])
    corpus = make_corpus(documents=40, sentences=2)
    causal = CausalExamples(corpus, sequence_length=20, separator=3, inputs=inputs, overlap=4, **rest)
    spans = SpanExamples(corpus, SpanSettings(20, 0.15, 3.0), first_sentinel=9, end=1, inputs=inputs, **rest)
    for made, names in (
        (causal, {"sequence": "input_ids"}), (spans, {"sequence": "input_ids", "target_sequence": "labels"}),
    ):  # fmt: skip
        said = made.lengths()
        for name, lengths in _longest(made, names, 6).items():
            assert (lengths == said[name]).all()
        assert len(set(said["sequence"].tolist())) > 1


def _longest(made, names, epochs):
    found = {name: np.zeros(len(made), np.int64) for name in names}
    for epoch in range(epochs):
        for index, example in enumerate(made.examples([(epoch, each) for each in range(len(made))])):
            for name, array in names.items():
                found[name][index] = max(found[name][index], len(example[array]))
    return found
