"""Entities of words and their scores, against conlleval's own rules."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from zoo_common.data.entities import Entity, as_iob2, each_labelled, entities
from zoo_common.data.makers.word_examples import Window, WordExamples
from zoo_common.data.mixture import AllExamples
from zoo_common.metrics import entities as scores
from zoo_common.metrics.classes import ClassScores
from zoo_spec.errors import InputError
from zoo_spec.tasks.metrics import EntityScores

METRIC = EntityScores("entity", "logits")


def conlleval(rows: list[tuple[str, str]]) -> tuple[int, int, int]:
    """Phrases that are labelled, said and correct, line by line as conlleval.pl (CoNLL-2000 shared task) counts them.

    ``rows`` are labels and what is said, of one sentence: its end is a line of ``O`` in both, as the script has it.
    """

    def parts(tag: str) -> tuple[str, str]:
        head, dash, kind = tag.partition("-")
        return (head, kind) if dash else (tag, "")

    def ends(before: str, kind_before: str, tag: str, kind: str) -> bool:
        pairs = {"BB", "BO", "IB", "IO", "EE", "EI", "EB", "EO"}
        return before + tag in pairs or (before != "O" and kind_before != kind)

    def starts(before: str, kind_before: str, tag: str, kind: str) -> bool:
        pairs = {"BB", "IB", "OB", "OI", "EE", "EI", "OE", "EB"}
        return before + tag in pairs or (tag != "O" and kind_before != kind)

    labelled = said = correct = 0
    inside, last = False, (("O", ""), ("O", ""))
    for row in [*rows, ("O", "O")]:
        gold, guess = parts(row[0]), parts(row[1])
        closed = [ends(*before, *now) for before, now in zip(last, (gold, guess), strict=True)]
        opened = [starts(*before, *now) for before, now in zip(last, (gold, guess), strict=True)]
        if inside and all(closed) and last[0][1] == last[1][1]:
            inside = False
            correct += 1
        elif inside and (closed[0] != closed[1] or gold[1] != guess[1]):
            inside = False
        if all(opened) and gold[1] == guess[1]:
            inside = True
        labelled += opened[0]
        said += opened[1]
        last = (gold, guess)
    return labelled, said, correct


def counter(sentences: list[list[str]], names: list[str], cuts: int = 1000) -> scores.EntityScores:
    """Over examples of ``cuts`` words at most, each of one piece."""
    return scores.open_text_metric(METRIC, examples_of(sentences, names, cuts))  # type: ignore[return-value]


def examples_of(sentences: list[list[str]], names: list[str], cuts: int = 1000) -> WordExamples:
    windows = [
        Window(number, tuple(labels[at : at + cuts]), np.arange(len(labels[at : at + cuts])))
        for number, labels in enumerate(sentences)
        for at in range(0, len(labels), cuts)
    ]
    examples = object.__new__(WordExamples)
    examples.labels = SimpleNamespace(names=tuple(names))  # type: ignore[assignment]
    examples._windows = np.zeros((len(windows), 3), np.int64)
    examples.window = windows.__getitem__  # type: ignore[method-assign]
    return examples


def logits(rows: list[list[str]], names: list[str]) -> np.ndarray:
    found = np.zeros((len(rows), max(map(len, rows)), len(names)), np.float32)
    for row, labels in enumerate(rows):
        for place, label in enumerate(labels):
            found[row, place, names.index(label)] = 1
    return found


def test_sentences_of_a_mixture_are_those_of_its_sources_one_after_the_other():
    names = ["O", "B-PER", "I-PER"]
    # An entity never goes on from the last sentence of a source into the first of the next, of the same number.
    sources = [[["B-PER", "I-PER"]], [["I-PER", "O"], ["B-PER", "O"]], [["O", "I-PER"]]]
    sentences = [sentence for source in sources for sentence in source]
    guesses = [["B-PER", "O"], ["I-PER", "O"], ["B-PER", "O"], ["O", "I-PER"]]
    one, *others = (examples_of(source, names) for source in sources)
    mixture = AllExamples([one, AllExamples(others)])
    found = scores.open_text_metric(METRIC, mixture)
    pairs = list(zip(sentences, guesses, strict=True))
    for start in (0, 3):  # The second batch is filled up with copies.
        rows = (guesses[start : start + 3] + guesses[:2])[:3]
        found.add({}, {"logits": logits(rows, names)})
    labelled, said, correct = np.sum([conlleval(list(zip(*pair, strict=True))) for pair in pairs], axis=0)
    assert (labelled, said, correct) == (4, 4, 3)
    assert list(found.values.values()) == [
        correct / said,
        correct / labelled,
        2 * correct / (labelled + said),
    ]
    with pytest.raises(
        InputError, match="counts the entities of labelled words, and the examples are of others"
    ):
        scores.open_text_metric(METRIC, AllExamples([one, ["no examples"]]))


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("O O", []),
        ("B-PER I-PER O", [("PER", 0, 2)]),
        ("I-PER I-PER O", [("PER", 0, 2)]),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("O I-LOC O I-LOC", [("LOC", 1, 2), ("LOC", 3, 4)]),
        ("B I O B", [("", 0, 2), ("", 3, 4)]),
        ("B-A I-A E-A S-A", [("A", 0, 3), ("A", 3, 4)]),
        ("B-A L-A U-B", [("A", 0, 2), ("B", 2, 3)]),
        ("[CLS] B-A X I-A", [("A", 1, 2), ("A", 3, 4)]),
    ],
)
def test_entities_begin_and_end_where_conlleval_has_them(labels, found):
    assert entities(labels.split()) == [Entity(*each) for each in found]


def test_random_sequences_are_counted_as_conlleval_counts_them():
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    draw = np.random.default_rng(0)
    sentences, guesses = [], []
    for size in draw.integers(1, 12, 300):
        gold = draw.choice(names, size)
        sentences.append([str(each) for each in gold])
        guesses.append(
            [str(each) for each in np.where(draw.random(size) < 0.7, gold, draw.choice(names, size))]
        )
    wanted = np.sum(
        [conlleval(list(zip(*pair, strict=True))) for pair in zip(sentences, guesses, strict=True)], axis=0
    )
    for cuts in (1000, 5):
        found = counter(sentences, names, cuts)
        rows = [each[at : at + cuts] for each in guesses for at in range(0, len(each), cuts)]
        for start in range(0, len(rows), 7):  # The last batch is filled up with copies, which do not count.
            part = (rows[start : start + 7] * 7)[:7] if start + 7 > len(rows) else rows[start : start + 7]
            found.add({}, {"logits": logits(part, names)})
        labelled, said, correct = (int(each) for each in wanted)
        assert dict(found.values) == pytest.approx(
            {
                "entity_precision": correct / said,
                "entity_recall": correct / labelled,
                "entity_f1": 2 * correct / (said + labelled),
            },
            abs=1e-12,
        )


def test_the_scores_of_each_type_are_those_of_a_case_made_by_hand():
    names = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    gold = ["B-PER I-PER O B-LOC O", "B-LOC I-LOC B-LOC O O"]
    said = ["I-PER I-PER O B-PER O", "B-LOC I-LOC I-LOC O B-LOC"]
    # Labelled: PER 1, LOC 3. Said: PER 2 (one exact), LOC 2 (none exact).
    found = counter([each.split() for each in gold], names)
    found.add({}, {"logits": logits([each.split() for each in said], names)})
    assert found.by_name == {
        "LOC": ClassScores(0, 0, 0, 3),
        "PER": ClassScores(0.5, 1, pytest.approx(2 / 3), 1),
    }
    assert found.values == pytest.approx(
        {"entity_precision": 1 / 4, "entity_recall": 1 / 4, "entity_f1": 1 / 4}, abs=1e-12
    )
    nothing = counter([["O"]], names)
    assert set(nothing.values.values()) == {0.0}
    assert not nothing.by_name


def test_bare_tags_are_entities_and_labels_for_themselves_are_counted_word_by_word():
    bare = ["[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]"]
    found = counter([["B", "I", "O"]], bare)
    found.add({}, {"logits": logits([["B", "I", "X"]], bare)})
    assert found.values["entity_f1"] == 1
    assert list(found.by_name) == ["entity"]
    plain = ["NN", "VB"]
    found = counter([["NN", "NN", "VB"]], plain)
    found.add({}, {"logits": logits([["NN", "VB", "VB"]], plain)})
    assert found.values["entity_f1"] == pytest.approx(2 / 3)
    assert found.by_name["NN"] == ClassScores(1, 0.5, pytest.approx(2 / 3), 2)


def test_entities_become_iob2_and_come_back():
    draw = np.random.default_rng(1)
    for _ in range(50):
        labels = as_iob2(entities([str(each) for each in draw.choice(["O", "I-A", "B-A", "I-B"], 9)]), 9)
        assert as_iob2(entities(labels), 9) == labels
    assert each_labelled(["NN", "O"]) == [Entity("NN", 0, 1)]
