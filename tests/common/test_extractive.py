"""BERTSUM's examples: its oracle, what is dropped and cut, how sentences are laid out, and which are chosen."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from zoo_common.data import evaluation_batches, open_dataset
from zoo_common.data.makers.oracle import best_combination, greedy_oracle
from zoo_common.data.makers.sentence_layout import chosen
from zoo_common.data.subwords.tokenizer_files import run_tokenizer
from zoo_common.metrics.rouge import Rouge
from zoo_common.metrics.texts import open_text_metric
from zoo_common.prediction import lines_of, open_predictor
from zoo_spec import load_spec
from zoo_spec.data import GeneratedSummaries
from zoo_spec.errors import InputError
from zoo_spec.tasks.text_metrics import ChosenSentences


def test_the_oracle_takes_what_raises_words_and_pairs_of_words_most_and_stops():
    document = ["a b c d", "x y z", "e f", "a b"]
    # Of "a b e f": sentence 0 has F 1/2 + 1/3, 2 has 2/3 + 1/2, 3 too, and the earlier is taken; both have all words
    # and two of three pairs. A third would lower both.
    assert greedy_oracle(document, ["a b e", "f"], 3) == (2, 3)
    assert best_combination(document, ["a b e", "f"], 3) == (2, 3)
    assert greedy_oracle(document, ["a b e", "f"], 1) == (2,)
    assert greedy_oracle(document, ["q"], 3) == best_combination(document, ["q"], 3) == ()
    # Marks are taken out and case is not told: "It's" is "its".
    assert greedy_oracle(["its so .", "it is so"], ["It's so!"], 1) == (0,)


def test_the_greedy_oracle_may_miss_what_the_best_combination_finds():
    document = ["a b c d x x1 x2", "a b", "c d"]
    assert best_combination(document, ["a b c d"], 3) == (1, 2)


def test_a_better_sentence_keeps_out_one_that_shares_three_words_in_a_row():
    sentences = ["a b c d", "x b c d y", "x b c", "p q", "r s t"]
    assert chosen([5.0, 4.0, 3.0, 2.0, 1.0], sentences) == [0, 2, 3]
    assert chosen([1.0, 2.0, 3.0, 3.0, 0.0], sentences) == [2, 3, 0]
    assert chosen([2.0], ["one"]) == [0]


def words(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{number % 7}" for number in range(count))


DOCUMENT = [words("a", 6), words("b", 5), words("c", 8), words("d", 30), words("e", 7)]
SUMMARY = [words("b", 5), words("c", 8)]


@pytest.fixture
def opened(tmp_path):
    def given(documents=(DOCUMENT,), **fields):
        shard = [
            {"src": [text.split() for text in each], "tgt": [text.split() for text in SUMMARY]}
            for each in documents
        ]
        (tmp_path / "x.json").write_text(json.dumps(shard))
        data = {
            "kind": "bertsum_shards",
            "files": [str(tmp_path / "x.json")],
            "evaluation_fraction": 0.0,
            **fields,
        }
        spec = load_spec(
            "bert_tiny",
            [
                f"data={json.dumps(data)}",
                "task={kind: extractive_summarization}",
                "model={kind: bert, hidden_size: 8, num_layers: 1, num_heads: 2, intermediate_size: 8, "
                "vocab_size: 200, max_positions: 300, type_vocab_size: 2}",
            ],
        )
        dataset = open_dataset(spec, tmp_path / "run", "train")
        return dataset, run_tokenizer(spec.data, tmp_path / "run", 200), spec

    return given


def test_a_document_is_laid_out_as_bertsum_has_it(opened):
    dataset, tokenizer, _ = opened(most_words=10, sequence_length=200)
    example = dataset.example(0, 0)
    # The oracle is b and c; b has five words and is left out, its label with it. d is cut to ten words.
    left = [DOCUMENT[0], DOCUMENT[2], words("d", 10), DOCUMENT[4]]
    ids, types = [], []
    for number, row in enumerate(tokenizer.encode(left)):
        ids += [tokenizer.cls, *row, tokenizer.sep]
        types += [number % 2] * (len(row) + 2)
    assert example["input_ids"].tolist() == ids
    assert example["token_type_ids"].tolist() == types
    assert example["sentence_positions"].tolist() == [
        at for at, each in enumerate(ids) if each == tokenizer.cls
    ]
    assert example["labels"].tolist() == [0, 1, 0, 0]
    # What is ranked is told as it stood there.
    assert dataset.sentences(0) == [DOCUMENT[0], DOCUMENT[2], DOCUMENT[3], DOCUMENT[4]]


def test_a_cut_takes_labels_with_their_sentences_and_may_leave_a_beginning_alone(opened):
    whole, tokenizer, _ = opened(sequence_length=300)
    positions = whole.example(0, 0)["sentence_positions"]
    # Two tokens, [CLS] and the last [SEP], are beside those that are cut: the second [CLS] is the last before it.
    short, _, _ = opened(sequence_length=int(positions[1]) + 2)
    example = short.example(0, 0)
    assert example["input_ids"][-2:].tolist() == [tokenizer.cls, tokenizer.sep]
    assert example["labels"].tolist() == [0, 1]
    assert len(example["sentence_positions"]) == len(example["label_weights"]) == 2
    (batch,) = evaluation_batches(short, 1)
    assert batch["label_weights"].sum() == 2
    assert batch["labels"].shape == batch["sentence_positions"].shape


def test_short_documents_are_left_out_and_counted_and_long_ones_cut(opened, caplog):
    with caplog.at_level(logging.WARNING, "zoo"):
        dataset, _, _ = opened([DOCUMENT, DOCUMENT[:3], DOCUMENT * 3], most_sentences=6, sequence_length=300)
    assert len(dataset) == 2
    assert "1 of 3 documents have fewer than 3 sentences of more than 5 words" in caplog.text
    assert len(dataset.sentences(1)) == 6
    with pytest.raises(InputError, match="1 of 1 documents have fewer than 3 sentences"):
        opened([DOCUMENT[:3]])


def test_the_three_best_sentences_are_scored_against_the_summary(opened):
    dataset, _, _ = opened(sequence_length=300)
    counter = open_text_metric(ChosenSentences("chosen", "logits"), dataset)
    batch = {"label_weights": np.asarray([[1, 1, 1, 1, 0, 0]] * 2, np.float32)}
    counter.add(batch, {"logits": np.asarray([[0.1, 3.0, -1.0, 2.0, 9.0, 9.0]] * 2)})
    expected = Rouge()
    expected.add(SUMMARY, [DOCUMENT[2], DOCUMENT[4], DOCUMENT[0]])
    assert counter.values == expected.values
    assert 0 < counter.values["rougeLsum"] < 1


def test_predictions_name_sentences_and_where_they_stand(opened, tmp_path):
    _, _, spec = opened(sequence_length=100, least_words=1)
    predictor = open_predictor(spec, spec.graph(), tmp_path / "run")
    line = "A goat  ran away. It fell. Yes. The end  came quickly."
    (item,) = predictor.items(next(lines_of([line])))
    assert len(item.features["sentence_positions"]) == 3
    answer = item.answer({"logits": np.asarray([0.0, 2.0, 1.0], np.float32)})
    assert [(each["sentence"], each["number"]) for each in answer["sentences"]] == [
        ("It fell.", 2),
        ("The end  came quickly.", 4),
        ("A goat  ran away.", 1),
    ]
    assert all(line[each["start"] : each["end"]] == each["sentence"] for each in answer["sentences"])
    assert answer["sentences"][2]["probability"] == 0.5
    with pytest.raises(InputError, match="has no sentence of more than 1 words"):
        list(predictor.items(next(lines_of(["Yes."]))))


def test_made_documents_have_their_decisions_anywhere_and_the_oracle_finds_them():
    from zoo_common.data.records import open_records

    data = GeneratedSummaries(texts=200, evaluation_fraction=0.0)
    records = open_records(data, "train", lambda record: None)
    decided = [
        [number for number, sentence in enumerate(record.document) if "decided to" in sentence]
        for record in (records[index] for index in range(len(records)))
    ]
    assert all(len(each) == 3 == len(records[index].summary) for index, each in enumerate(decided))
    assert {number for each in decided for number in each} == set(range(8))
    found = [
        set(greedy_oracle(records[index].document, records[index].summary, 3)) == set(each)
        for index, each in enumerate(decided)
    ]
    assert sum(found) >= 0.95 * len(found)
