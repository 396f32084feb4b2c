"""Examples of labelled words: pieces and their labels, windows of long sentences, and the names of labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from zoo_common.data import open_dataset
from zoo_common.data.entities import entities
from zoo_common.data.label_names import read_label_names
from zoo_common.data.makers.word_examples import WordExamples
from zoo_common.data.subwords.byte_level_bpe import train as train_bpe
from zoo_common.data.subwords.tokenizer import train
from zoo_common.data.subwords.word_pieces import WordPieces
from zoo_spec import load_spec
from zoo_spec.errors import InputError

SIZES = ("model.hidden_size=8", "model.num_heads=2", "model.intermediate_size=8", "model.max_positions=32")
SENTENCES = [
    [("Ada", "B-PER"), ("Lovelace", "I-PER"), ("met", "O"), ("Oslo", "B-LOC"), (".", "O")],
    [("unaffable", "B-LOC"), ("x\u0301y" * 6, "O"), ("\u200b", "O"), ("10,000", "O")],
    [("Ada", "B-PER")] * 9,
]


def vocabulary(folder: Path) -> Path:
    file = folder / "vocab.txt"
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "ada",
        "met",
        "oslo",
        ".",
        "un",
        "##aff",
        "##able",
        "10",
        ",",
        "000",
    ]
    file.write_text("\n".join([*pieces, "love", "##lace"]) + "\n", encoding="utf-8")
    return file


def words(
    folder: Path, split: str = "train", *overrides: str, content: str = "", **fields: object
) -> WordExamples:
    file = folder / "words.txt"
    file.write_text(
        content
        or "\n\n".join("\n".join("\t".join(each) for each in sentence) for sentence in SENTENCES) + "\n",
        encoding="utf-8",
    )
    given = {
        "kind": "conll",
        "files": str(file),
        "vocabulary": str(vocabulary(folder)),
        "sequence_length": 8,
        "evaluation_fraction": 0.0,
        **fields,
    }
    data = ", ".join(f"{name}: {value}" for name, value in given.items())
    spec = load_spec("bert_tiny_ner", [*SIZES, *(overrides or ("task.classes=5",)), f"data={{{data}}}"])
    found = open_dataset(spec, folder / "run", split)  # type: ignore[arg-type]
    assert isinstance(found, WordExamples)
    return found


def test_a_label_stands_at_the_first_piece_of_its_word_and_nothing_else_has_weight(tmp_path):
    examples = words(tmp_path)
    first = {name: value.tolist() for name, value in examples.example(0, 0).items()}
    # [CLS] ada love ##lace met oslo . [SEP]
    assert first == {
        "input_ids": [2, 5, 15, 16, 6, 7, 8, 3],
        "token_type_ids": [0] * 8,
        "example_ids": [1] * 8,
        "labels": [0, 3, 4, 0, 0, 1, 0, 0],
        "label_weights": [0, 1, 1, 0, 1, 1, 1, 0],
    }
    assert read_label_names(tmp_path / "run") == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert examples.window(0).firsts.tolist() == [1, 2, 4, 5, 6]


def test_all_pieces_go_on_with_what_the_first_begins_where_that_is_asked(tmp_path):
    examples = words(tmp_path, label_pieces="all")
    second = examples.example(0, 1)
    # [CLS] un ##aff ##able [UNK] [UNK] [SEP]; the numbers are the next example
    assert second["labels"].tolist() == [0, 1, 2, 2, 0, 0, 0]
    assert second["label_weights"].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert examples.window(1).firsts.tolist() == [1, 4, 5]


def test_no_word_of_a_long_sentence_is_lost_and_none_is_cut_in_two(tmp_path):
    for split in ("train", "eval"):
        examples = words(tmp_path, split, evaluation_files=str(tmp_path / "words.txt"))
        windows = [examples.window(index) for index in range(len(examples))]
        assert [window.record for window in windows] == [0, 1, 1, 2, 2]
        for number, sentence in enumerate(SENTENCES):
            labels = [label for window in windows if window.record == number for label in window.labels]
            assert labels == [label for _, label in sentence]
        for index, window in enumerate(windows):
            example = examples.example(0, index)
            assert len(example["input_ids"]) <= 8
            assert np.flatnonzero(example["label_weights"]).tolist() == window.firsts.tolist()
    assert "3 sentences, of which long ones are 2 examples more" in examples.description().notes


def test_one_word_with_more_pieces_than_there_is_room_for_is_cut(tmp_path):
    bpe = tmp_path / "tokenizer.json"
    train_bpe(["a b c"] * 3, 300).tokenizer.save(str(bpe))
    content = "q" * 10_000 + "\tB-X\nb\tI-X\n"
    examples = words(
        tmp_path, "train", "task.classes=3", content=content, vocabulary=bpe, tokenizer="byte_level_bpe"
    )
    assert len(examples) == 2
    assert len(examples.example(0, 0)["input_ids"]) == 8
    assert examples.window(0).labels == ("B-X",)
    assert examples.window(1).labels == ("I-X",)


def test_every_word_has_a_space_in_front_for_byte_level_bpe():
    tokenizer = train_bpe(["the cat sat on the mat"] * 9, 300)
    found = WordPieces(tokenizer).of(["the", "cat", "the"], "f:1")
    assert found == [tuple(ids) for ids in tokenizer.encode([" the", " cat", " the"])]
    wordpiece = train(["the cat sat"] * 9, 60, lower_case=True)
    assert WordPieces(wordpiece).of(["cat", "\u200b"], "f:1") == [
        tuple(wordpiece.encode(["cat"])[0]),
        (wordpiece.unknown,),
    ]


def test_types_that_are_not_chosen_are_no_entity(tmp_path):
    examples = words(tmp_path, "train", "task.classes=3", types="[LOC]")
    assert examples.labels.names == ("O", "B-LOC", "I-LOC")
    assert examples.example(0, 0)["labels"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


def test_the_reference_zoos_labels_may_be_given(tmp_path):
    names = '["[PAD]", B, I, O, X, "[CLS]", "[SEP]"]'
    examples = words(
        tmp_path, "train", "task.classes=7", content="Ada\tB\nLovelace\tI\nmet\tO\n", labels=names
    )
    assert examples.example(0, 0)["labels"].tolist() == [0, 1, 2, 0, 3, 0]
    assert examples.example(0, 0)["label_weights"].tolist() == [0, 1, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("content", "overrides", "fields", "why"),
    [
        (
            "",
            ("task.classes=4",),
            {},
            "has 5 different labels, 'O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER', and task.cl",
        ),
        (
            "a\tB-X\n\nb\tB-Y\n",
            ("task.classes=3",),
            {"labels": "[O, B-X, I-X]"},
            "words.txt:3: the label 'B-Y' is none",
        ),
        ("", ("task.classes=3",), {"types": "[ORG]"}, "no entity has the type 'ORG' of data.types"),
        ("", (), {"labels": "[O, B, I]"}, "data.labels names 3 labels, and task.classes is 5"),
        ("", (), {"sequence_length": 2}, "no room for a word beside the special tokens; set it to 3 or more"),
    ],
)
def test_labels_that_are_not_those_of_the_run_are_refused(tmp_path, content, overrides, fields, why):
    with pytest.raises(InputError) as error:
        words(tmp_path, "train", *overrides, content=content, **fields)
    assert why in str(error.value)


def test_a_label_of_the_evaluation_that_training_had_not_is_refused_by_file_and_line(tmp_path):
    other = tmp_path / "testb"
    other.write_text("a\tO\n\nb\tB-ORG\n")
    with pytest.raises(InputError, match=r"testb:3: the label 'B-ORG' is none of the run's 5"):
        words(tmp_path, "eval", evaluation_files=str(other))


def test_a_label_by_heart_of_each_word_finds_few_of_the_embedded_names(tmp_path):
    """What ``bert_tiny_ner`` has to beat: F1 0.62 after its 200 steps."""
    spec = load_spec("bert_tiny_ner")
    train, held_out = (open_dataset(spec, tmp_path / "run", split) for split in ("train", "eval"))
    told: dict[str, Counter[str]] = {}
    for record in map(train._records.__getitem__, range(len(train))):  # type: ignore[attr-defined]
        for word, label in zip(record.words, record.labels, strict=True):
            told.setdefault(word, Counter())[label] += 1
    both = wanted = said = 0
    for record in map(held_out._records.__getitem__, range(len(held_out))):  # type: ignore[attr-defined]
        labels = [told[word].most_common(1)[0][0] if word in told else "O" for word in record.words]
        found = set(entities(record.labels)), set(entities(labels))
        both, wanted, said = both + len(found[0] & found[1]), wanted + len(found[0]), said + len(found[1])
    assert wanted > 300
    assert 0.05 < 2 * both / (wanted + said) < 0.2
