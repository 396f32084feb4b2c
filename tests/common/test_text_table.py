"""Tables of labelled text: what is read of each format, what is refused and where, and the examples made of it."""

from __future__ import annotations

import json
import logging
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tokenizers import Tokenizer

from zoo_common.data import open_dataset
from zoo_common.data.base import DataDescription
from zoo_common.data.label_names import in_order
from zoo_common.data.makers.labelled_examples import fitted
from zoo_common.data.records import open_records, read_records
from zoo_common.data.subwords.tokenizer import train
from zoo_common.prediction import lines_of, open_predictor
from zoo_spec import load_spec
from zoo_spec.data import LabelledText, LabelledTextData, TextTable
from zoo_spec.data_fit import check_data
from zoo_spec.errors import InputError, SpecError

ROWS = [
    ("a plain one", "good"),
    ('said "so", and\tleft'.replace("\t", " "), "bad"),
    ("naïve café\u2028over", "good"),
    ("  spaces stay  ", "bad"),
]
TSV = "id\ttext\tlabel\n" + "".join(
    f"{number}\t{text}\t{label}\n" for number, (text, label) in enumerate(ROWS)
)
CSV = "id,text,label\n" + "".join(
    f'{number},"{text.replace(chr(34), chr(34) * 2)}",{label}\n' for number, (text, label) in enumerate(ROWS)
)
JSONL = "".join(
    json.dumps({"id": number, "text": text, "label": label}) + "\n"
    for number, (text, label) in enumerate(ROWS)
)
CONTENT = {"tsv": TSV, "csv": CSV, "jsonl": JSONL}


def opened_table(path: Path, split: Literal["train", "eval"] = "train", **fields: object):
    given = {"text": "text", "label": "label", "evaluation_fraction": 0.0, **fields}
    return open_records(TextTable(files=str(path), **given), split, lambda record: None)


def records(path: Path, content: str | bytes, **fields: object) -> list[LabelledText]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = opened_table(path, **fields)
    return [found[index] for index in range(len(found))]


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("change", ["as it is", "mark", "crlf", "blank lines", "no last line end"])
def test_each_format_gives_the_same_records_however_its_editor_wrote_it(tmp_path, name, change):
    content = CONTENT[name].encode()
    content = {
        "as it is": content,
        "mark": b"\xef\xbb\xbf" + content,
        "crlf": content.replace(b"\n", b"\r\n"),
        "blank lines": content.replace(b"\n", b"\n\n"),
        "no last line end": content.removesuffix(b"\n"),
    }[change]
    found = records(tmp_path / f"t.{name}", content)
    assert [(record.texts[0], record.label) for record in found] == ROWS
    first = 1 if name == "jsonl" else 3 if change == "blank lines" else 2
    assert found[0].where == f"{tmp_path}/t.{name}:{first}"


def test_quotes_are_text_in_tsv_and_hold_line_ends_in_csv(tmp_path):
    lone = records(tmp_path / "t.tsv", 'text\tlabel\n"open\tyes\nnext\tno\n')
    assert [record.texts[0] for record in lone] == ['"open', "next"]
    quoted = records(tmp_path / "t.csv", 'text,label\n"one\r\ntwo, ""so""",yes\nnext,no\n5" pipe,no\n')
    assert [record.texts[0] for record in quoted] == ['one\r\ntwo, "so"', "next", '5" pipe']
    assert [record.where.rpartition(":")[2] for record in quoted] == ["2", "4", "5"]


def test_columns_go_by_number_with_a_header_or_without(tmp_path):
    plain = "gj04\t1\t\tThe cat sat.\ngj05\t0\t*\tCat the sat.\n"
    for header, content in ((False, plain), (True, "a\tb\tc\td\n" + plain)):
        found = records(tmp_path / "t.tsv", content, text=[3], label=1, header=header)
        assert [(record.texts, record.label) for record in found] == [
            (("The cat sat.",), "1"),
            (("Cat the sat.",), "0"),
        ]


def test_json_lines_have_lists_of_labels_and_numbers(tmp_path):
    lines = [{"text": "a", "label": ["x", "y"]}, {"text": "b", "label": 2}, {"text": "c", "label": True}]
    found = records(tmp_path / "t.jsonl", "\n".join(map(json.dumps, lines)))
    assert [(record.label, record.labels) for record in found] == [
        (None, ("x", "y")),
        ("2", ("2",)),
        ("true", ("true",)),
    ]


BAD = {
    "an empty file": ("tsv", b"", "is empty"),
    "a header alone": ("tsv", b"text\tlabel\n", "has no row but its header"),
    "blank lines alone": ("csv", b"\n\n", "no line with anything"),
    "another column": ("tsv", b"sentence\tlabel\na\tb\n", "line 1 has no column 'text'; its columns are 'sentence'"),
    "a column twice": ("csv", b"text,label,text\na,b,c\n", "2 columns 'text', numbers 0 and 2"),
    "a field too many": ("tsv", b"text\tlabel\na\tb\na\tb\tc\n", "line 3 has 3 fields, and the first line 2"),
    "a field too few": ("csv", b"text,label\na\n", "line 2 has 1 fields"),
    "a quote left open": ("csv", b'text,label\na,b\n"a,b\nc,d\n', "lines 3 to 4"),
    "text behind a quote": ("csv", b'text,label\n"a"b,c\n', "line 2"),
    "a byte that is no UTF-8": ("tsv", b"text\tlabel\na\tb\n\xffa\tb\n", "byte 0xff at byte offset 15 (line 3)"),
    "a long line": ("tsv", b"text\tlabel\n" + b"a" * (1 << 20) + b"\tb\n", "line 2 is longer than 1,048,576 bytes"),
    "an empty text": ("tsv", b"text\tlabel\na\tb\n \tb\n", "t.tsv:3: column 'text' is empty"),
    "no JSON": ("jsonl", b'{"text": "a", "label": "b"}\n{"text": \n', "line 2 is no JSON"),
    "no object": ("jsonl", b'["a", "b"]\n', "line 1 is no object"),
    "another key": ("jsonl", b'{"text": "a", "label": "b"}\n{"text": "a"}\n', "line 2 has no column 'label'; its"),
    "a key twice": ("jsonl", b'{"text": "a", "text": "b", "label": "c"}\n', "line 1 has the key 'text' twice"),
    "a nested text": ("jsonl", b'{"text": {"en": "a"}, "label": "b"}\n', "t.jsonl:1: column 'text' holds an object"),
    "a text that is a number": ("jsonl", b'{"text": 1, "label": "b"}\n', "holds a number, and a text"),
    "a nested label": ("jsonl", b'{"text": "a", "label": {"b": 1}}\n', "holds an object, and a label"),
    "a list in a list": ("jsonl", b'{"text": "a", "label": [["b"]]}\n', "holds a list, and a label"),
    "deep nesting": ("jsonl", b"[" * 100_000 + b"\n", "line 1 is no JSON: nested too deeply"),
    "half a character": ("jsonl", b'{"text": "a\\ud800", "label": "b"}\n', "has half a character"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_table_is_refused_by_its_line(tmp_path, what):
    suffix, content, message = BAD[what]
    with pytest.raises(InputError) as refused:
        records(tmp_path / f"t.{suffix}", content)
    assert message in str(refused.value)
    assert f"t.{suffix}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_spec_says_of_a_table_is_seen_to_before_it_is_read():
    for fields, message in (
        ("files: t.txt.gz, text: a, label: b", "set format to tsv, csv, jsonl, parquet, arrow"),
        ("files: t.tsv, text: a, label: 1, header: false", "'a' is a name, and header is false"),
        ("files: t.jsonl, text: 0, label: b", "JSON lines have names"),
        ("files: t.tsv, text: [a, a], label: b", "'a' is named twice"),
        ("files: t.tsv, text: [a, b, c], label: d", "at most 2"),
        ("files: t.tsv, text: a, label: b, labels: [x, y, x]", "labels has 'x' twice"),
    ):
        with pytest.raises(SpecError, match=message.replace("[", r"\[")):
            load_spec("bert_tiny_classification", [f"data={{kind: text_table, {fields}}}"])
    table = "data={kind: text_table, files: t.tsv, text: [a, b], label: c}"
    spec = load_spec("bert_tiny", [table])
    with pytest.raises(
        InputError, match="is labelled text, which masked_lm_next_sentence does not learn from"
    ):
        check_data(spec, spec.graph())
    for name, changes in (
        ("gpt2_tiny_classification", ()),
        ("bert_tiny_classification", ("model.type_vocab_size=1",)),
    ):
        spec = load_spec(name, [table, *changes])
        with pytest.raises(InputError, match=r"has two texts a record, and .* takes one"):
            check_data(spec, spec.graph())


# Examples.

WORDS = ["the", "film", "is", "good", "bad", "dull", "fine", "and", "so", "a", "long", "one"]


def vocabulary(folder: Path) -> Path:
    file = folder / "tokenizer.json"
    train([" ".join(WORDS)] * 9, 120, lower_case=True).tokenizer.save(str(file))
    return file


def opened(
    folder: Path,
    content: str,
    split: Literal["train", "eval"] = "train",
    *changes: str,
    name="bert_tiny_classification",
    run_dir=None,
    **fields: object,
):
    table = folder / "t.tsv"
    table.write_text(content, encoding="utf-8")
    given = {
        "kind": "text_table",
        "files": str(table),
        "text": "text",
        "label": "label",
        "vocabulary": str(vocabulary(folder)),
        "sequence_length": 12,
        **fields,
    }
    small = ["model.num_layers=1", "model.hidden_size=8", "model.num_heads=1", "model.vocab_size=320"]
    spec = load_spec(name, [f"data={json.dumps(given)}", *small, *changes])
    return open_dataset(spec, run_dir, split), spec


def table(*rows: tuple[str, ...]) -> str:
    return "\n".join("\t".join(row) for row in (("text", "label"), *rows)) + "\n"


FILMS = table(("good film", "pos"), ("dull film", "neg"), ("a film", "neither"), ("so bad", "neg"))


def test_labels_are_numbered_by_their_sorted_names_which_the_run_keeps(tmp_path):
    run_dir = tmp_path / "run"
    examples, _ = opened(tmp_path, FILMS, run_dir=run_dir, evaluation_fraction=0.0)
    assert json.loads((run_dir / "labels.json").read_text()) == ["neg", "neither", "pos"]
    assert [int(examples.example(0, index)["labels"]) for index in range(4)] == [2, 0, 1, 0]
    assert all(examples.example(0, 0)["labels"] == examples.example(3, 0)["labels"] for _ in range(2))
    assert in_order(["10", "9", "-1"]) == ("-1", "9", "10")
    assert in_order(["10", "9", "x"]) == ("10", "9", "x")
    assert in_order(["01", "1"]) == ("01", "1")


def test_labels_that_the_spec_names_have_its_order_and_may_be_rare(tmp_path):
    names = ["pos", "neg", "neither", "both"]
    examples, _ = opened(tmp_path, FILMS, "train", "task.classes=4", labels=names, evaluation_fraction=0.0)
    assert [int(examples.example(0, index)["labels"]) for index in range(4)] == [0, 1, 2, 1]


def test_labels_that_do_not_fit_are_refused_with_both_numbers_or_their_line(tmp_path):
    for changes, fields, message in (
        (("task.classes=2",), {}, "has 3 different labels, 'neg', 'neither', 'pos', and task.classes is 2"),
        (("task.classes=4",), {}, "has 3 different labels"),
        ((), {"labels": ["pos", "neg", "mixed"]}, "t.tsv:4: the label 'neither' is none of the run's 3"),
        (("task.classes=2",), {"labels": ["pos", "neg", "neither"]}, "names 3 labels, and task.classes is 2"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            opened(tmp_path, FILMS, "train", *changes, **fields)
    with pytest.raises(InputError, match=r"t.tsv:3: the label is empty"):
        opened(tmp_path, table(("good film", "pos"), ("dull", "")))
    other = tmp_path / "other.tsv"
    other.write_text(table(("good film", "pos"), ("fine film", "great")))
    for run_dir in (None, tmp_path / "run"):  # Without a run's directory the training files are asked first.
        with pytest.raises(InputError, match=r"other.tsv:3: the label 'great' is none of the run's 3"):
            opened(tmp_path, FILMS, "eval", run_dir=run_dir, evaluation_files=str(other))


def test_a_run_s_names_are_those_of_whoever_goes_on_with_it(tmp_path):
    run_dir = tmp_path / "run"
    opened(tmp_path, FILMS, run_dir=run_dir)
    with pytest.raises(
        InputError, match=r"labels.json: the run's labels are 'neg', 'neither', 'pos', and data.labels"
    ):
        opened(tmp_path, FILMS, run_dir=run_dir, labels=["pos", "neg", "neither"])
    with pytest.raises(InputError, match=r"t.tsv:2: the label 'new' is none of the run's 3"):
        opened(tmp_path, table(("good", "new"), ("a", "pos")), run_dir=run_dir)
    for content, message in (
        ("{}", "no list of names"),
        ('["a", "a", "b"]', "have a name twice"),
        ('["a", "b"]', "has 2 names, and the model 3 classes"),
        ("[1]", "no list"),
    ):
        (run_dir / "labels.json").write_text(content)
        with pytest.raises(InputError, match=message):
            opened(tmp_path, FILMS, run_dir=run_dir)


def test_several_labels_are_a_one_for_each_in_a_cell_or_a_list(tmp_path):
    name = "bert_tiny_multi_label"
    content = table(("good film", "a,b"), ("dull film", ""), ("a film", "c"), ("so bad", "b, c"))
    examples, spec = opened(tmp_path, content, "train", "task.classes=3", name=name, evaluation_fraction=0.0)
    wanted = [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]]
    assert [examples.example(0, index)["labels"].tolist() for index in range(4)] == wanted
    lines = tmp_path / "t.jsonl"
    rows = [
        {"text": "good film", "label": ["a", "b"]},
        {"text": "x", "label": []},
        {"text": "y", "label": ["c"]},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)))
    same = spec.model_copy(update={"data": spec.data.model_copy(update={"files": (str(lines),)})})
    found = open_dataset(same, None, "train")
    assert [found.example(0, index)["labels"].tolist() for index in range(3)] == wanted[:3]


def test_numbers_are_labels_of_a_regression_unless_they_are_none(tmp_path):
    name, rest = "bert_tiny_regression", {"evaluation_fraction": 0.0}
    examples, _ = opened(tmp_path, table(("good", "1.5"), ("bad", "-2e0")), name=name, **rest)
    assert [examples.example(0, index)["labels"].item() for index in range(2)] == [1.5, -2.0]
    assert examples.example(0, 0)["labels"].dtype == np.float32
    for label, message in (
        ("high", "'high' is no number"),
        ("", "'' is no number"),
        ("nan", "'nan' is no finite number"),
        ("inf", "'inf' is no finite number"),
        ("1e60", "'1e60' is no finite number"),
        ("1_0", "'1_0' is no finite number"),
    ):
        with pytest.raises(InputError, match=rf"t.tsv:3: the label {message}"):
            opened(tmp_path, table(("good", "1.5"), ("bad", label)), name=name, **rest)


def test_a_long_text_is_cut_as_tokenizers_cut_it_and_counted(tmp_path, caplog):
    tokenizer = Tokenizer.from_file(str(vocabulary(tmp_path)))
    rng = np.random.default_rng(0)
    for _ in range(60):
        first, second = (int(size) for size in rng.integers(0, 14, 2))
        tokenizer.enable_truncation(max_length=(room := int(rng.integers(2, 12))), strategy="longest_first")
        pair = tokenizer.encode(
            " ".join(["the"] * first), " ".join(["film"] * second), add_special_tokens=False
        )
        sizes = [pair.sequence_ids.count(0), pair.sequence_ids.count(1)]
        assert fitted([first, second], room) == sizes, (first, second, room)
        assert fitted([first], room) == [min(first, room)]
    long = " ".join(WORDS * 3)
    content = table((long, "pos"), ("good film", "neg"), (f"so {long}", "neither"))
    with caplog.at_level("WARNING", "zoo"):
        examples, _ = opened(tmp_path, content, evaluation_fraction=0.0)
        for epoch in range(2):
            made = examples.examples([(epoch, index) for index in range(3)])
    assert examples.cut == 2
    assert [int(example["example_ids"].sum()) for example in made] == [12, 4, 12]
    told = [record.message for record in caplog.records if "was cut" in record.message]
    assert len(told) == 1
    assert "t.tsv:2: has 36 tokens, more than data.sequence_length 12" in told[0]


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("bert_tiny_classification", ["text"], "good film"),
        ("bert_tiny_classification", ["text", "second"], "good film[SEP]so dull"),
        ("gpt2_tiny_classification", ["text"], "good film"),
        ("roberta_tiny", ["text", "second"], "good film[SEP]so dull"),
    ],
)
def test_a_text_is_fed_as_predictions_feed_it(tmp_path, name, columns, said):
    content = "text\tsecond\tlabel\ngood film\tso dull\tpos\ndull\tfine\tneg\n"
    task = "task={kind: sequence_classification, classes: 2}"
    kind = {} if name.startswith("bert") else {"tokenizer": "byte_level_bpe", "vocabulary": None}
    run_dir = tmp_path / "run"
    examples, spec = opened(
        tmp_path,
        content,
        "train",
        task,
        name=name,
        run_dir=run_dir,
        text=columns,
        evaluation_fraction=0.0,
        sequence_length=24,
        **kind,
    )
    example = examples.example(0, 0)
    (item,) = open_predictor(spec, spec.graph(), run_dir).items(next(iter(lines_of([said]))))
    count = int(example["example_ids"].sum())
    assert count == len(item.features["input_ids"]) > 1
    for feature, value in item.features.items():
        np.testing.assert_array_equal(example[feature][:count], value, err_msg=feature)
    assert not example["example_ids"][count:].any()


def test_a_length_without_room_for_a_token_of_each_text_is_refused(tmp_path):
    content = "text\tsecond\tlabel\ngood film\tso dull\tpos\ndull\tfine\tneg\n"
    for columns, least in ((["text"], 3), (["text", "second"], 5)):
        with pytest.raises(InputError, match=f"set it to {least} or more"):
            opened(tmp_path, content, "train", "task.classes=2", text=columns, sequence_length=least - 1)
        assert opened(tmp_path, content, "train", "task.classes=2", text=columns, sequence_length=least)


def test_held_out_lines_are_others_than_those_learned_and_one_at_least(tmp_path):
    content = table(*((f"film {number}", "pos" if number % 2 else "neg") for number in range(30)))
    for fraction, wanted in ((0.1, 3), (0.001, 1)):
        parts = [
            opened(tmp_path, content, split, "task.classes=2", evaluation_fraction=fraction)[0]
            for split in ("train", "eval")
        ]
        places = [{part._records[index].where for index in range(len(part))} for part in parts]
        assert len(places[1]) == wanted
        assert len(places[0] | places[1]) == 30
        assert not places[0] & places[1]
    with pytest.raises(
        InputError, match=r"1 record.s., of which .* leaves none to evaluate on; name records to evaluate on"
    ):
        opened(tmp_path, table(("good", "pos")), "eval", labels=["pos", "neg", "x"])
    assert len(opened(tmp_path, table(("good", "pos")), "train", labels=["pos", "neg", "x"])[0]) == 1


def test_a_vocabulary_is_made_of_the_training_texts_where_none_is_named(tmp_path):
    run_dir = tmp_path / "run"
    other = tmp_path / "other.tsv"
    other.write_text(table(("zzz zzz zzz", "pos")))
    opened(tmp_path, FILMS, run_dir=run_dir, vocabulary=None, evaluation_files=str(other))
    known = Tokenizer.from_file(str(run_dir / "tokenizer.json")).get_vocab()
    assert "film" in known
    assert not any("zz" in token for token in known)
    examples, _ = opened(
        tmp_path, FILMS, "eval", run_dir=run_dir, vocabulary=None, evaluation_files=str(other)
    )
    assert len(examples) == 1


def test_of_a_table_no_more_is_held_than_where_its_rows_begin(tmp_path):
    file = tmp_path / "t.tsv"
    text = "word " * 4000
    with file.open("w", encoding="utf-8") as out:
        out.write("text\tlabel\n")
        for number in range(1500):
            out.write(f"{number} {text}\tx\n")
    assert file.stat().st_size > 30_000_000
    tracemalloc.start()
    found = opened_table(file)
    assert found[1234].texts[0].startswith("1234 word")
    assert found[7].texts[0].startswith("7 word")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_that_is_changed_while_it_is_read_is_noticed(tmp_path):
    file = tmp_path / "t.tsv"
    file.write_text(FILMS)
    found = opened_table(file)
    file.write_text(table(("good", "pos")))
    with pytest.raises(InputError, match=r"t.tsv: has changed while it was read"):
        found[2]


class Verses(LabelledTextData):
    """A source of a plugin's: its records are there already. Without a kind of its own, so that no list has it."""

    verses: tuple[str, ...] = ("good film", "dull film", "a film")


class VerseRecords:
    def __init__(self, data):
        self._data = data

    def __len__(self):
        return len(self._data.verses)

    def __getitem__(self, index):
        return LabelledText(f"verse {index}", (self._data.verses[index],), f"l{index}", (f"l{index}",))

    def description(self):
        return DataDescription("verses", 0, 0, 0)


def test_another_source_of_records_feeds_every_task_that_learns_from_them(tmp_path):
    @read_records.register
    def _verses(data: Verses, split, look):
        found = VerseRecords(data)
        for index in range(len(found)):
            look(found[index])
        return found

    data = Verses.model_construct(
        kind="verses", evaluation_fraction=0.0, vocabulary=str(vocabulary(tmp_path)), sequence_length=8
    )
    for name, width in (("bert_tiny_classification", ()), ("bert_tiny_multi_label", (3,))):
        spec = load_spec(name, ["task.classes=3"]).model_copy(update={"data": data})
        examples = open_dataset(spec, None, "train")
        assert examples.example(0, 2)["labels"].shape == width
    assert replace(examples.description(), notes=()).source == "verses"


def test_a_run_that_begins_with_another_reads_with_its_tokenizer_which_it_then_keeps(tmp_path, caplog):
    source, run_dir = tmp_path / "source", tmp_path / "run"
    (checkpoint := source / "checkpoints" / "step-00000001").mkdir(parents=True)
    kept = vocabulary(source)
    rest = {"vocabulary": None, "evaluation_fraction": 0.0}
    for number, begins in enumerate((source, checkpoint)):
        own = tmp_path / f"run{number}"
        changes = [f"training.initialize_from={begins}"]
        opened(tmp_path, FILMS, "train", *changes, run_dir=own, **rest)
        found = Tokenizer.from_file(str(own / "tokenizer.json")).get_vocab()
        assert found == Tokenizer.from_file(str(kept)).get_vocab()
    kept.unlink()
    with caplog.at_level("WARNING", "zoo"):
        opened(tmp_path, FILMS, "train", *changes, run_dir=own, **rest)
        assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
        opened(tmp_path, FILMS, "train", *changes, run_dir=run_dir, **rest)
    assert "has no tokenizer.json, and data.vocabulary names none" in caplog.text


def test_labels_have_the_order_of_the_head_that_a_run_begins_with_if_it_knows_them(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    vocabulary(source)
    for number, (names, wanted) in enumerate(
        [
            (["pos", "neither", "neg"], ["pos", "neither", "neg"]),
            (["a", "b", "c"], ["neg", "neither", "pos"]),
            (["pos", "neg"], ["neg", "neither", "pos"]),
        ]
    ):
        (source / "labels.json").write_text(json.dumps(names))
        run_dir = tmp_path / f"run{number}"
        opened(tmp_path, FILMS, "train", f"training.initialize_from={source}", run_dir=run_dir)
        assert json.loads((run_dir / "labels.json").read_text()) == wanted
