"""SQuAD's scores against the official scripts' rules, and answers out of windows against a search by hand."""

from __future__ import annotations

import collections
import json
import re
import string

import numpy as np
import pytest

from zoo_common.data import evaluation_batches, open_dataset
from zoo_common.data.makers.question_windows import AskedText, Window
from zoo_common.metrics import open_text_metric
from zoo_common.metrics.answers import AnswerSearch
from zoo_common.metrics.squad import EveryQuestion, SomeUnanswerable
from zoo_spec import load_spec
from zoo_spec.tasks.answer_rules import AnswerRules, SquadMetric

# Gold answers, what was said (None: nothing at all), and by how much no answer scores above it.
CASES = {
    "the same": (["Denver Broncos"], "Denver Broncos", -3.0),
    "case, article and a full stop": (["the Denver  Broncos"], "denver broncos.", -2.0),
    "a part": (["10 July 1856", "1856"], "July 1856", -1.0),
    "words that come twice": (["to be or not to be"], "to be to to", -0.5),
    "another": (["Nikola Tesla"], "Edison", -0.25),
    "an article alone": (["the", "A"], "an", 0.5),
    "punctuation that is not ASCII": (["\u201cquoted\u201d"], "quoted", -4.0),
    "a hyphen joins": (["well-known"], "wellknown", -0.1),
    "the letter a in a word": (["an apple a day"], "apple day banana", 1.0),
    "left empty": (["something"], "", 2.0),
    "nothing said": (["something"], None, 0.0),
    "none, and said so": ([], "", 3.0),
    "none, and something said": ([], "a guess", -1.5),
    "none, and something wrong that is likely": ([], "a second guess", -5.0),
    "none, and an article": ([], "the", -0.75),
    "a gold answer of nothing": (["the", "real"], "real", -0.6),
}


def normalize_answer(s):
    def remove_articles(text):
        return re.sub(r"\b(a|an|the)\b", " ", text)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def official_1(cases):
    """evaluate-v1.1.py"""

    def f1_score(prediction, ground_truth):
        prediction_tokens = normalize_answer(prediction).split()
        ground_truth_tokens = normalize_answer(ground_truth).split()
        common = collections.Counter(prediction_tokens) & collections.Counter(ground_truth_tokens)
        num_same = sum(common.values())
        if num_same == 0:
            return 0
        precision = 1.0 * num_same / len(prediction_tokens)
        recall = 1.0 * num_same / len(ground_truth_tokens)
        return (2 * precision * recall) / (precision + recall)

    f1 = exact_match = total = 0
    for golds, said, _ in cases:
        total += 1
        if said is None:
            continue
        exact_match += max(normalize_answer(said) == normalize_answer(gold) for gold in golds)
        f1 += max(f1_score(said, gold) for gold in golds)
    return {"exact_match": exact_match / total, "f1": f1 / total}


def official_2(cases):
    """evaluate-v2.0.py, at its own threshold of 1.0 for probabilities of 0."""

    def get_tokens(s):
        return normalize_answer(s).split() if s else []

    def compute_f1(a_gold, a_pred):
        gold_toks, pred_toks = get_tokens(a_gold), get_tokens(a_pred)
        num_same = sum((collections.Counter(gold_toks) & collections.Counter(pred_toks)).values())
        if len(gold_toks) == 0 or len(pred_toks) == 0:
            return int(gold_toks == pred_toks)
        if num_same == 0:
            return 0
        precision, recall = 1.0 * num_same / len(pred_toks), 1.0 * num_same / len(gold_toks)
        return (2 * precision * recall) / (precision + recall)

    exact, f1, has, preds, na_probs = {}, {}, {}, {}, {}
    for qid, (golds, said, odds) in enumerate(cases):
        gold_answers = [gold for gold in golds if normalize_answer(gold)] or [""]
        has[qid], na_probs[qid] = bool(golds), odds
        if said is None:
            continue
        preds[qid] = said
        exact[qid] = max(int(normalize_answer(gold) == normalize_answer(said)) for gold in gold_answers)
        f1[qid] = max(compute_f1(gold, said) for gold in gold_answers)

    def find_best_thresh(scores):
        cur_score = best_score = sum(1 for qid in scores if not has[qid])
        best_thresh = 0.0
        for qid in sorted(preds, key=lambda k: na_probs[k]):
            diff = scores[qid] if has[qid] else -1 if preds[qid] else 0
            cur_score += diff
            if cur_score > best_score:
                best_score, best_thresh = cur_score, na_probs[qid]
        return best_score / len(scores), best_thresh

    found = {}
    for name, scores in (("exact_match", exact), ("f1", f1)):
        found[name] = sum(scores.values()) / len(scores)
        for part, wanted in (("has_answer", True), ("no_answer", False)):
            chosen = [score for qid, score in scores.items() if has[qid] == wanted]
            if chosen:
                found[f"{part}_{name}"] = sum(chosen) / len(chosen)
        found[f"best_{name}"], found[f"best_{name}_threshold"] = find_best_thresh(scores)
    return found


def scored(scores, cases):
    for golds, said, odds in cases:
        scores.add(golds, said, odds)
    return dict(scores.values)


SETS = {"all": list(CASES), **{name: [name] for name in CASES}}


@pytest.mark.parametrize("names", SETS)
def test_scores_are_those_of_the_official_scripts(names):
    cases = [CASES[name] for name in SETS[names]]
    answerable = [case for case in cases if case[0]]
    if answerable:
        assert scored(EveryQuestion(), answerable) == pytest.approx(official_1(answerable), abs=1e-12)
    if any(case[1] is not None for case in cases):
        assert scored(SomeUnanswerable(), cases) == pytest.approx(official_2(cases), abs=1e-12)


def test_of_nothing_scores_are_0():
    assert set(EveryQuestion().values.values()) == set(SomeUnanswerable().values.values()) == {0.0}


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
CONTEXT = " ".join(WORDS)
PIECES = tuple((0, CONTEXT.index(word), CONTEXT.index(word) + len(word)) for word in WORDS)
PIECES = (*PIECES[:6], (0, PIECES[6][1], PIECES[6][2]), *PIECES[7:])
PLACE = 5


def searched(windows, start, end, **rules):
    """Logits of each window's tokens; question and padding have the largest, which say nothing."""
    asked = AskedText((1, 2, 3), CONTEXT, PIECES, tuple(Window(*each, PLACE) for each in windows))
    search = AnswerSearch(asked, AnswerRules(**rules))
    for (first, last), starts, ends, null in zip(windows, start, end, (0.5, -1.0, 2.0), strict=False):
        rows = []
        for logits in (starts, ends):
            row = np.full(PLACE + 20, 50.0, np.float32)
            row[0], row[PLACE : PLACE + last - first] = null, logits
            rows.append(row)
        search.add(*rows)
    assert search.is_done
    return search.best()


@pytest.mark.parametrize("longest", [1, 3, 30])
def test_the_best_answers_are_those_of_a_search_through_all_spans_of_all_windows(longest):
    rng = np.random.default_rng(longest)
    windows = [(0, 7), (4, 11), (8, 12)]
    start, end = ([rng.standard_normal(last - first) for first, last in windows] for _ in range(2))
    owner = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    asked = AskedText((), CONTEXT, PIECES, tuple(Window(*each, PLACE) for each in windows))
    spans = [
        (float(np.float32(s) + np.float64(np.float32(e))), CONTEXT[PIECES[i][1] : PIECES[j][2]])
        for number, (first, last) in enumerate(windows)
        for i, s in enumerate(start[number], first)
        for j, e in enumerate(end[number], first)
        if i <= j < i + longest and asked.owners[i] == number
    ]
    assert [asked.owners[token] for token in (0, 11)] == [owner[0], owner[11]]
    wanted = sorted(spans, key=lambda span: -span[0])[:20]
    found = searched(windows, start, end, longest_answer=longest)
    assert [each.text for each in found.answers] == [text for _, text in wanted]
    assert [each.score for each in found.answers] == pytest.approx([score for score, _ in wanted], abs=1e-6)
    assert found.null.score == -2.0  # The window that speaks least for no answer.


def test_there_is_an_answer_though_the_likeliest_start_stands_behind_the_likeliest_end():
    start, end = [[0, 0, 0, 9]], [[9, 0, 0, 1]]
    assert searched([(0, 4)], start, end, n_best=1, longest_answer=2).answers[0].text == "three"
    start, end = [[1, 0, 0, 9]], [[9, 0, 0, -99]]
    assert searched([(0, 4)], start, end, n_best=1, longest_answer=2).answers[0].text == "zero"


@pytest.mark.parametrize(("threshold", "said"), [(None, "three"), (1.0, "three"), (0.0, "")])
def test_no_answer_is_given_where_it_scores_above_the_best_by_more_than_the_threshold(threshold, said):
    best = searched([(0, 4)], [[0, 0, 0, 0.25]], [[0, 0, 0, 0.25]])
    assert best.difference == 0.5
    assert best.answer(AnswerRules(no_answer_threshold=threshold)).text == said


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_an_evaluation_reads_each_questions_answer_out_of_all_its_windows(tmp_path, batch_size):
    context = " ".join(f"word{number}" for number in range(60)) + " the answer at the end."
    qas = [
        {"id": name, "question": f"{name}?", "answers": [{"text": text, "answer_start": context.index(text)}]}
        for name, text in (("a", "word3"), ("b", "word59"), ("c", "answer at the end"))
    ]
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": context, "qas": qas}]}]}))
    sizes = "sequence_length: 32, stride: 8, question_length: 8"
    data = f"data={{kind: squad, files: {path}, evaluation_files: {path}, {sizes}}}"
    examples = open_dataset(load_spec("bert_tiny_squad", [data]), None, "eval")
    counter = open_text_metric(SquadMetric("squad", "start", end_logits="end"), examples)
    for batch in evaluation_batches(examples, batch_size):
        rows = np.arange(len(batch["input_ids"]))
        outputs = {name: np.full(batch["input_ids"].shape, -9.0, np.float32) for name in ("start", "end")}
        for name, logits in outputs.items():
            logits[rows, batch[f"{name}_positions"]] = 9.0 + (batch[f"{name}_positions"] > 0)
        counter.add(batch, outputs)
    assert counter.values == {"exact_match": 1.0, "f1": 1.0}
