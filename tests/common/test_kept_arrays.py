"""What is counted over all examples is counted at the first start alone, and is the same at the second."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.records import FileRecords
from zoo_spec import load_spec

WORDS = ["a", "house", "is", "many", "dogs", "sit", "in", "it", "while", "rain", "falls", "on"]


def text(index, size):
    return " ".join(WORDS[(index + place) % len(WORDS)] for place in range(size))


def labelled(index):
    return {"t": text(index, 1 + index % 9), "l": "xy"[index % 3 // 2]}


def pair(index):
    return {"source": text(index, 1 + index % 9), "target": text(index, 1 + index % 7)}


def sentence(index):
    words = text(index, 1 + index % 12).split()
    return {
        "tokens": words,
        "ner_tags": ["B-x" if place == index % 4 else "O" for place in range(len(words))],
    }


def question(index):
    context = text(index, 12 + index % 9)
    answer = {"text": [context.split()[0]], "answer_start": [0]}
    return {"id": str(index), "question": "who?", "context": context, "answers": answer}


def summary(index):
    return {
        "article": [text(index + place, 6) for place in range(index % 6 + 1)],
        "highlights": [text(index, 4)],
    }


TABLE = {"kind": "text_table", "text": "t", "label": "l", "sequence_length": 8}
CASES = {
    "labelled": ("bert_tiny_classification", labelled, TABLE, {"classes": 2, "class_weights": "balanced"}),
    "words": (
        "bert_tiny_ner",
        sentence,
        {"kind": "words_table", "words": "tokens", "tags": "ner_tags", "sequence_length": 8},
        {"classes": 3},
    ),
    "questions": (
        "bert_tiny_squad",
        question,
        {"kind": "question_table", "sequence_length": 16, "question_length": 4, "stride": 3},
        {},
    ),
    "pairs": (
        "transformer_tiny",
        pair,
        {"kind": "text_pair_table", "sequence_length": 8, "target_length": 8, "too_long": "skip"},
        {},
    ),
    "answers": ("gpt2_tiny_summarization", pair, {"kind": "text_pair_table", "sequence_length": 16}, {}),
    "sentences": (
        "bert_tiny_summarization",
        summary,
        {"kind": "summary_table", "least_words": 2, "least_sentences": 3, "sequence_length": 30},
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_second_start_reads_no_record_until_an_example_is_asked_for(name, tmp_path, monkeypatch):
    spec_name, row, data, task = CASES[name]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row(index)) + "\n" for index in range(40)))
    given = {"files": [str(path)], **data}
    kind = load_spec(spec_name).task.kind
    spec = load_spec(spec_name, [f"data={json.dumps(given)}", f"task={json.dumps({'kind': kind, **task})}"])
    graph = spec.graph()

    def started(run_dir):
        examples = {
            split: open_data(spec.data, Wanted(spec, graph, split, run_dir)) for split in ("train", "eval")
        }
        return examples, {split: each.lengths() for split, each in examples.items()}

    examples, lengths = started(tmp_path / "run")
    reads = []
    real = FileRecords.__getitem__
    monkeypatch.setattr(
        FileRecords, "__getitem__", lambda self, index: reads.append(index) or real(self, index)
    )
    again, kept = started(tmp_path / "run")
    assert reads == []
    _, anew = started(None)
    for split, each in examples.items():
        assert len(again[split]) == len(each) > 0
        assert kept[split].keys() == lengths[split].keys() == anew[split].keys() != set()
        for dimension, found in kept[split].items():
            np.testing.assert_array_equal(found, lengths[split][dimension])
            np.testing.assert_array_equal(found, anew[split][dimension])
        for index in range(0, len(each), 5):
            one, other = each.example(0, index), again[split].example(0, index)
            assert one.keys() == other.keys()
            for part, value in one.items():
                np.testing.assert_array_equal(value, other[part])


def test_lengths_are_counted_again_where_what_decides_on_them_is_another(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(labelled(index)) + "\n" for index in range(40)))
    longest = []
    for size in (8, 5):
        data = {**TABLE, "files": [str(path)], "sequence_length": size}
        spec = load_spec("bert_tiny_classification", ["task.classes=2", f"data={json.dumps(data)}"])
        examples = open_data(spec.data, Wanted(spec, spec.graph(), "train", tmp_path / "run"))
        longest.append(int(examples.lengths()["sequence"].max()))
    assert longest == [8, 5]
