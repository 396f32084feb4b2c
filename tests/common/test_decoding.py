"""Greedy decoding and what is counted of it, against transformers, sacrebleu and rouge-score on the same words."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.data.base import Dataset
from zoo_common.decoding import Generation, filled, greedy
from zoo_common.metrics.generated_texts import corpus_scores
from zoo_common.metrics.rouge import Rouge
from zoo_common.metrics.texts import open_text_metric
from zoo_spec.data.records import SummarizedText, TextPair
from zoo_spec.errors import InputError
from zoo_spec.tasks.text_metrics import GeneratedTexts

END, KINDS = 0, 6


def countdown(rows):
    """A model that counts down from a row's last token to its end."""
    return np.asarray([max(row[-1] - 1, END) for row in rows])


def test_a_row_goes_on_to_its_end_or_as_long_as_it_may():
    assert greedy(countdown, [[3], [1], [5]], end=END, most=10, longest=20) == [
        [2, 1, 0],
        [0],
        [4, 3, 2, 1, 0],
    ]
    assert greedy(countdown, [[3], [1], [5]], end=END, most=2, longest=20) == [[2, 1], [0], [4, 3]]
    # The last token that is fed may stand at the last place; what comes behind it is never fed.
    assert greedy(countdown, [[5, 5, 5], [5]], end=END, most=9, longest=3) == [[4], [4, 3, 2]]
    assert greedy(countdown, [[5, 5, 5, 5]], end=END, most=9, longest=3) == [[]]


def test_rows_are_filled_to_few_sizes_and_no_longer_than_may_be():
    assert [filled([[1] * size], 0, 20)[0].shape[1] for size in (1, 8, 9, 17, 20)] == [8, 8, 16, 20, 20]
    ids, real = filled([[4, 5], [6]], 9, 3)
    assert ids.tolist() == [[4, 5, 9], [6, 9, 9]]
    assert real.tolist() == [[1, 1, 0], [1, 0, 0]]


def test_ids_without_a_token_are_never_written_and_equal_ones_go_by_number():
    generation = Generation(
        pad=0, end=1, kinds=4, most=5, longest=8, inputs=frozenset({"input_ids", "decoder_input_ids"})
    )

    def step(batch):
        assert set(batch) == {"input_ids", "decoder_input_ids"}
        logits = np.zeros((*batch["decoder_input_ids"].shape, 6))
        logits[..., 2:4] = 1.0
        logits[..., 5] = 9.0
        return {"logits": logits}

    assert generation.of(step, {"input_ids": np.ones((1, 3), np.int32)}) == [[2] * 5]


def test_numbers_that_are_none_are_told():
    generation = Generation(pad=0, end=1, kinds=4, most=5, longest=8, inputs=frozenset({"input_ids"}))
    batch = {"input_ids": np.ones((1, 3), np.int32), "example_ids": np.ones((1, 3), np.int32)}
    with pytest.raises(InputError, match="holds NaN or infinity"):
        generation.of(lambda given: {"logits": np.full((*given["input_ids"].shape, 4), np.nan)}, batch)


def test_a_causal_model_is_asked_behind_the_separator_and_sees_no_target():
    generation = Generation(pad=0, end=1, kinds=9, most=4, longest=9, inputs=frozenset({"input_ids"}))
    seen = []

    def step(batch):
        seen.append(batch["input_ids"].copy())
        return {"logits": np.eye(9)[np.full(batch["input_ids"].shape, 1)]}

    batch = {
        "input_ids": np.asarray([[5, 6, 1, 7, 8, 1], [5, 1, 7, 1, 0, 0]], np.int32),
        "label_weights": np.asarray([[0, 0, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0]], np.float32),
    }
    assert generation.of(step, batch) == [[1], [1]]
    assert seen[0][:, :3].tolist() == [[5, 6, 1], [5, 1, 0]]
    assert not seen[0][:, 3:].any()


# By hand after Papineni et al. (2002): 7, 5, 3 and 1 n-grams of 8, 7, 6 and 5 match, and both have eight words.
SAID = ["the cat sat on the mat . ."]
RIGHT = ["the cat sat on a mat . ."]


def test_bleu_is_its_formula_and_chrf_is_all_of_equal_words_and_nothing_of_others():
    precisions = [7 / 8, 5 / 7, 3 / 6, 1 / 5]
    assert corpus_scores(SAID, RIGHT)["bleu"] == pytest.approx(100 * np.prod(precisions) ** 0.25)
    assert corpus_scores(["abc"], ["abc"])["chrf"] == pytest.approx(100.0)
    assert corpus_scores(["xyz"], ["abc"])["chrf"] == pytest.approx(0.0)


def test_rouge_takes_the_sentences_of_a_summary_apart():
    rouge = Rouge()
    # Lin (2004), 3.2: the union of the longest common subsequences is w1 w2 w3 w5 of five words.
    rouge.add(["w1 w2 w3 w4 w5"], ["w1 w2 w6 w7 w8", "w1 w3 w8 w9 w5"])
    recall, precision = 4 / 5, 4 / 10
    assert rouge.values["rougeLsum"] == pytest.approx(2 * recall * precision / (recall + precision))
    rouge.add(["nothing alike"], ["other words"])
    assert rouge.values["rougeLsum"] == pytest.approx(recall * precision / (recall + precision))
    assert rouge.values["rouge1"] == pytest.approx(2 * 0.8 * 0.4 / 1.2 / 2)


class Written(Dataset):
    """Two examples whose model says what it is given by number."""

    def __init__(self, records, said):
        self.records, self.answers = records, said
        self.generation = self

    def __len__(self):
        return len(self.records)

    def example(self, epoch, index):
        return {}

    def description(self):
        raise NotImplementedError

    def of(self, step, batch):
        return [[int(row)] for row in batch["row"]]

    def record(self, index):
        return self.records[index]

    def said(self, tokens):
        return self.answers[tokens[0]]


def test_pairs_get_bleu_and_summaries_rouge_and_copies_that_fill_a_batch_up_do_not_count():
    pairs = [TextPair("", "eins", "the cat sat on a mat . ."), TextPair("", "zwei", "it is so")]
    counter = open_text_metric(
        GeneratedTexts("generated", "logits"), Written(pairs, ["the cat sat on the mat . .", "it is so"])
    )
    counter.ask(lambda batch: {})
    counter.add({"row": np.asarray([0, 1, 0, 0])}, {})
    expected = corpus_scores(["the cat sat on the mat . .", "it is so"], [pair.target for pair in pairs])
    assert counter.values == expected
    told = [SummarizedText("", ("a b c",), ("The cat sat.", "It slept."))]
    counter = open_text_metric(
        GeneratedTexts("generated", "logits"), Written(told, ["The cat sat. It slept."])
    )
    counter.ask(lambda batch: {})
    counter.add({"row": np.asarray([0, 0])}, {})
    assert counter.values == pytest.approx({"rouge1": 1.0, "rouge2": 1.0, "rougeLsum": 1.0})
