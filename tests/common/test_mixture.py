"""Several sources at once: how often each is seen, in which order, and what is evaluated on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from zoo_common.data import batch, evaluation_batches, open_dataset
from zoo_common.data.base import DataDescription, Padding
from zoo_common.data.file_marks import every_source
from zoo_common.data.mixture import mixed, shares, wider
from zoo_common.data.records import open_records
from zoo_common.training.evaluation import evaluate
from zoo_spec import load_spec
from zoo_spec.data import TextTable
from zoo_spec.data_fit import check_data
from zoo_spec.errors import InputError


class Numbered:
    """Examples that say which they are, and as of which epoch."""

    def __init__(self, name, count):
        self.name, self.count = name, count

    def __len__(self):
        return self.count

    def example(self, epoch, index):
        return {"who": np.asarray([self.name, epoch, index], np.int32)}

    def examples(self, wanted):
        return [self.example(*each) for each in wanted]

    def padding(self):
        return Padding()

    def description(self):
        return DataDescription(f"source {self.name}", self.count, 0, 12)


def seen(mixed, epoch):
    return [tuple(map(int, mixed.example(epoch, index)["who"])) for index in range(len(mixed))]


def test_an_epoch_has_so_many_of_each_source_as_its_weight_says_and_all_are_seen_in_turn():
    mixture = mixed([Numbered(0, 90), Numbered(1, 10)], [1, 1], seed=5)
    epochs = [seen(mixture, epoch) for epoch in range(9)]
    assert all(Counter(name for name, _, _ in epoch) == {0: 50, 1: 50} for epoch in epochs)
    # 450 of 90 are five times each; each pass is an epoch of the source's own.
    together = Counter(each for epoch in epochs for each in epoch)
    assert set(together.values()) == {1}
    assert together.keys() == {(0, own, index) for own in range(5) for index in range(90)} | {
        (1, own, index) for own in range(45) for index in range(10)
    }


def test_which_example_is_seen_is_a_function_of_seed_epoch_and_index_alone():
    def made(seed):
        return mixed([Numbered(0, 30), Numbered(1, 7)], [3, 1], seed)

    later, again = made(1), made(1)
    expected = [again.example(epoch, index)["who"] for epoch in range(4) for index in range(len(again))]
    wanted = [(epoch, index) for epoch in range(4) for index in range(len(later))]
    backwards = [found["who"] for found in later.examples(wanted[::-1])][::-1]
    np.testing.assert_array_equal(backwards, expected)
    assert seen(made(2), 0) != seen(made(1), 0)


@pytest.mark.parametrize(
    ("count", "weights", "expected"),
    [(100, [1, 1], [50, 50]), (10, [1, 1, 1], [4, 3, 3]), (10, [1, 1e-9], [9, 1]), (7, [2, 5], [2, 5])],
)
def test_shares_are_in_proportion_and_one_at_least(count, weights, expected):
    found = shares(count, weights)
    assert found == expected or (found[1:] == expected[1:] and found[0] in (expected[0], expected[0] + 1))


def test_a_mixture_is_filled_up_to_the_largest_size():
    one = Padding({"a": "sequence"}, {"sequence": 3}, {"a": 7})
    two = Padding({"a": "sequence", "b": "other"}, {"sequence": 5, "other": 1}, {"a": 7})
    both = {"sequence": 5, "other": 1}
    assert wider([one, two]) == Padding({"a": "sequence", "b": "other"}, both, {"a": 7, "b": 0})
    with pytest.raises(InputError, match="fill a up with 7 and 0"):
        wider([one, Padding({"a": "sequence"}, {"sequence": 3})])


def table(tmp_path, name, rows):
    path = tmp_path / f"{name}.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return f"{{kind: text_table, files: {path}, text: text, label: label, sequence_length: 8}}"


def experiment(data):
    return load_spec("bert_tiny", [f"data={data}", "task={kind: sequence_classification, classes: 2}"])


def test_tables_are_mixed_for_one_tokenizer_and_the_labels_of_the_first(tmp_path):
    first = table(tmp_path, "a", [(f"alpha beta {number}", "xy"[number % 2]) for number in range(20)])
    other = table(tmp_path, "b", [(f"gamma {number}", "y") for number in range(10)])
    last = table(tmp_path, "c", [("alpha gamma", "x")] * 3)
    spec = experiment(
        f"{{kind: mixture, sources: [{{data: {first}}}, {{data: {other}, weight: 3}}], evaluation: {last}}}"
    )
    train, held_out = (open_dataset(spec, tmp_path / "run", split) for split in ("train", "eval"))
    assert (len(train), len(held_out)) == (30, 3)
    notes = train.description().notes
    assert [note.partition(" of ")[0] for note in notes[:2]] == ["8 an epoch", "22 an epoch"]
    given = batch(train, 0, 0, 30)
    assert given["input_ids"].shape == (30, 8)
    assert [each["labels"].tolist() for each in evaluation_batches(held_out, 5)] == [[0, 0, 0]]
    assert [str(each.path.name) for each in every_source(spec.data)] == ["a.tsv", "b.tsv", "c.tsv"]
    assert every_source(spec.data)[-1].use == "eval"


def test_a_mixture_without_another_source_is_evaluated_on_what_each_holds_out(tmp_path):
    first = table(tmp_path, "a", [(f"alpha {number}", "xy"[number % 2]) for number in range(20)])
    other = table(tmp_path, "b", [(f"gamma {number}", "y") for number in range(10)])
    spec = experiment(f"{{kind: mixture, sources: [{{data: {first}}}, {{data: {other}}}]}}")
    assert len(open_dataset(spec, None, "train")) == 27
    assert len(open_dataset(spec, None, "eval")) == 3


def test_another_source_is_evaluated_on_whole_and_nothing_is_held_out(tmp_path):
    for name, count in (("a", 20), ("b", 7)):
        table(tmp_path, name, [(f"{name} {number}", "x") for number in range(count)])
    data = TextTable(
        files=f"{tmp_path}/a.tsv",
        text="text",
        label="label",
        evaluation={"kind": "text_table", "files": f"{tmp_path}/b.tsv", "text": "text", "label": "label"},
    )
    found = {split: open_records(data, split, lambda record: None) for split in ("train", "eval")}
    assert {split: len(records) for split, records in found.items()} == {"train": 20, "eval": 7}
    assert found["eval"][0].texts == ("b 0",)


def test_what_is_evaluated_on_is_of_the_kind_that_is_learned_from(tmp_path):
    data = table(tmp_path, "a", [("alpha", "x"), ("beta", "y")])
    for kind, what in (
        ("generated", "no records"),
        ("text", "running text"),
        ("cldr_names", "texts with the texts that they become"),
    ):
        spec = experiment(data.replace("}", f", evaluation: {{kind: {kind}}}}}"))
        with pytest.raises(
            InputError, match=f"data.evaluation, of kind '{kind}', is {what}, and data of kind 'text_"
        ):
            check_data(spec, spec.graph())


PARTS = ("numerator", "denominator")


class Knows:
    """A model that says what is right."""

    def __init__(self, graph):
        self.graph = graph

    def evaluate_step(self, batch):
        logits = np.eye(self.graph.outputs["logits"].width, dtype=np.float32)[batch["labels"]]
        parts = {
            f"{part.name}_{which}": 1.0
            for part in self.graph.loss_parts
            for which in ("numerator", "denominator")
        }
        return {"logits": logits, **parts}


@pytest.mark.parametrize("own", [False, True])
def test_what_counts_entities_counts_those_of_all_sources(tmp_path, own):
    sentences = "Ann B-PER\nLee I-PER\nsat O\n\nin O\nRome B-LOC\n\n"
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(sentences * (1 + "abc".index(name)))
    conll = "{kind: conll, files: %s, sequence_length: 16, evaluation_fraction: 0.5}"
    one, other, third = (conll % (tmp_path / f"{name}.txt") for name in "abc")
    evaluation = f", evaluation: {third}" if own else ""
    data = f"data={{kind: mixture, sources: [{{data: {one}}}, {{data: {other}}}]{evaluation}}}"
    spec = load_spec("bert_tiny_ner", ["model.vocab_size=64", "task.classes=5", data])
    graph = spec.graph()
    examples = open_dataset(spec, tmp_path / "run", "eval", graph)
    found = evaluate(Knows(graph), spec, graph, examples, 3)
    assert found["entity_f1"] == 1
    entities = sum(each.support for each in found.by_name.values())
    # Of 1 and 2 sentences with an entity each, one is held out of each source; or all of the third's.
    assert entities == (
        6 if own else sum(examples.example(0, k)["labels"].any() for k in range(len(examples)))
    )
