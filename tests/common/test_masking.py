"""Whole words, phrases and entities are masked together or not at all."""

import numpy as np
import pytest

from zoo_common.data import batch, open_dataset
from zoo_common.data.makers.masking import WholeSpans, choose_spans, read_phrases
from zoo_common.data.subwords.tokenizer import train
from zoo_spec.errors import InputError, SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.spec_files.loading import load_spec

# Ids from 10 on go on with the word before them.
CONTINUES = np.arange(20) >= 10


def _spans(ids, candidates=None, phrases=()):
    candidates = np.arange(len(ids)) if candidates is None else np.array(candidates)
    starts = WholeSpans(CONTINUES, phrases).of(np.array(ids, np.int32), candidates)
    return [span.tolist() for span in np.split(candidates, starts)[1:]]


def test_a_span_is_a_word_with_all_its_pieces():
    assert _spans([1, 2, 10, 11, 3]) == [[0], [1, 2, 3], [4]]


def test_text_that_begins_within_a_word_begins_a_span_and_a_gap_ends_one():
    assert _spans([10, 11, 1]) == [[0, 1], [2]]
    assert _spans([0, 1, 10, 0, 11, 2], candidates=[1, 2, 4, 5]) == [[1, 2], [4], [5]]
    assert _spans([], candidates=np.zeros(0, np.intp)) == []


def test_the_longest_phrase_is_taken_from_left_to_right():
    phrases = [(1, 2), (1, 2, 3), (2, 3, 4)]
    assert _spans([1, 2, 3, 4, 1, 2], phrases=phrases) == [[0, 1, 2], [3], [4, 5]]


def test_a_phrase_that_ends_within_a_word_or_crosses_a_gap_is_none():
    assert _spans([1, 2, 10], phrases=[(1, 2)]) == [[0], [1, 2]]
    assert _spans([1, 2, 10], phrases=[(1, 2, 10)]) == [[0, 1, 2]]
    assert _spans([1, 0, 2, 3], candidates=[0, 2, 3], phrases=[(1, 2)]) == [[0], [2], [3]]


def test_spans_are_drawn_until_the_count_is_full_and_longer_ones_are_passed_over():
    starts = np.array([0, 1, 4, 6])
    order = np.array([0.9, 0.1, 0.2, 0.3])  # the second first, then the third, the fourth, the first
    assert choose_spans(starts, 7, order, 5).tolist() == [1, 2, 3, 4, 5]
    assert choose_spans(starts, 7, order, 4).tolist() == [1, 2, 3, 6]
    assert choose_spans(starts, 7, order, 2).tolist() == [4, 5]
    assert choose_spans(np.array([0]), 3, order, 2).tolist() == []


@pytest.mark.parametrize("masking", ["words", "phrases"])
def test_of_every_span_all_tokens_or_none_are_predicted(tmp_path, masking):
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("return value\nis called\nthe function\n", encoding="utf-8")
    data = {"kind": "text", "masking": masking, "masked_fraction": 0.3, "max_predictions": 40}
    if masking == "phrases":
        data["phrases"] = str(phrases)
    model = {"kind": "ernie", "hidden_size": 12, "num_layers": 1, "num_heads": 2, "vocab_size": 800}
    spec = ExperimentSpec.model_validate({"model": model, "task": {"kind": "masked_lm"}, "data": data})
    dataset = open_dataset(spec, None, "train")
    continues = dataset._spans._continues
    phrases = [phrase for each in dataset._spans._phrases.values() for phrase in each]
    assert len(phrases) == (3 if masking == "phrases" else 0)
    seen = met = 0
    for row in range(80):  # Each Python has other documentation, and phrases are rare in some.
        example = dataset.example(0, row)
        count = int(example["masked_weights"].sum())
        assert 0 < count <= 40
        assert len(set(example["masked_positions"][:count].tolist())) == count
        ids, chosen = example["input_ids"].copy(), np.zeros(len(example["input_ids"]), bool)
        ids[example["masked_positions"][:count]] = example["masked_ids"][:count]
        chosen[example["masked_positions"][:count]] = True
        length = int(example["example_ids"].sum())
        for at in range(2, length - 1):
            if continues[ids[at]]:
                assert chosen[at] == chosen[at - 1], (row, at)
                seen += chosen[at]
        # The phrases share no word but "the", so that each stands alone.
        for phrase in phrases:
            for at in range(1, length - len(phrase)):
                ends = not continues[ids[at + len(phrase)]]
                if ends and tuple(ids[at : at + len(phrase)].tolist()) == phrase:
                    together = set(chosen[at : at + len(phrase)].tolist())
                    assert len(together) == 1, (row, at)
                    met += 1
    assert met > 5 or masking == "words"
    assert seen > 20


def test_phrases_are_read_a_line_and_those_of_unknown_words_are_left_out(tmp_path):
    tokenizer = train(["the cat sat on the mat"] * 3, 60, lower_case=True)
    path = tmp_path / "phrases.txt"
    path.write_text("The Cat\n\n  on the mat\r\nthe 猫\n", encoding="utf-8")
    assert [tokenizer.decode(row) for row in read_phrases(str(path), tokenizer)] == ["the cat", "on the mat"]
    path.write_text("猫\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"phrases.txt: has no phrase"):
        read_phrases(str(path), tokenizer)


@pytest.mark.parametrize("changes", [["data.masking=phrases"], ["data.phrases=entities.txt"]])
def test_phrases_and_their_file_are_given_together(changes):
    with pytest.raises(SpecError, match=r"give both \(masking: phrases\), or neither"):
        load_spec("bert_tiny", changes)


def test_whole_words_of_byte_level_bpe_are_masked_too():
    spec = load_spec("roberta_tiny", ["data.masking=words", "model.vocab_size=400"])
    found = batch(open_dataset(spec, None, "train"), 0, 0, 4)
    assert found["masked_weights"].sum() > 20


def chinese(tmp_path, sign=0x4E00):
    """A spec on text without spaces, with the fewest tokens for each sign; the file of the text."""
    draws = np.random.default_rng(1)
    lines = ["".join(chr(sign + each) for each in draws.integers(0, 40, 80)) + "。" for _ in range(60)]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    changes = ["data.masking=words", f"data.files=[{tmp_path / 'text.txt'}]", "data.layout=sentence_lines"]
    return load_spec("roberta_tiny", [*changes, "data.evaluation_fraction=0.3", "model.vocab_size=400"])


def test_text_of_ideographs_without_spaces_has_words_that_can_be_masked(tmp_path):
    dataset = open_dataset(chinese(tmp_path), None, "train")
    weights = np.stack([dataset.example(0, index)["masked_weights"] for index in range(len(dataset))])
    assert (weights.sum(axis=1) > 5).all()


def test_text_that_is_one_long_word_is_refused_where_whole_words_are_masked(tmp_path):
    for split in ("train", "eval"):
        with pytest.raises(
            InputError, match=r"text\.txt: no word is short enough .* set data\.masking to tokens"
        ):
            open_dataset(chinese(tmp_path, sign=0x0E01), None, split)  # Thai.
