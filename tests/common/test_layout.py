"""How a line is laid out for a model: special tokens, masks, and where in the line each token stands."""

from __future__ import annotations

import json

import pytest
import transformers

from zoo_common.data.subwords import byte_level_bpe
from zoo_common.data.subwords.tokenizer import train
from zoo_common.prediction.layout import marked, running
from zoo_spec.errors import InputError

TEXT = ["The cat sat on the mat.", " The dog ran, and a cat sat."] * 6


@pytest.fixture(scope="module")
def byte_level():
    return byte_level_bpe.train(TEXT, 320)


def tokens(tokenizer, laid):
    return [tokenizer.tokenizer.id_to_token(index) for index in laid.ids]


def test_masks_in_byte_level_text_stand_as_roberta_has_them(byte_level):
    """The space in front of a mask is the mask's, and none is added to what comes after it."""
    model = json.loads(byte_level.tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    # As roberta-base's own tokenizer_config.json has it.
    mask = transformers.AddedToken("<mask>", lstrip=True, special=True)
    theirs = transformers.RobertaTokenizer(vocab=model["vocab"], merges=merges, mask_token=mask)
    for text in (
        "The [MASK] sat on the [MASK].",
        "[MASK] dog [MASK] [MASK]",
        "The cat[MASK], and",
        "  The mat  ",
    ):
        laid = marked(text, byte_level, most=2, masks=True)
        assert laid.ids == theirs(text.strip().replace("[MASK]", "<mask>"))["input_ids"]


def test_two_sentences_stand_as_each_model_has_them(byte_level):
    laid = marked("The cat [SEP] a dog", byte_level, most=2)
    assert [token for token in tokens(byte_level, laid) if token.startswith("<")] == [
        "<s>",
        "</s>",
        "</s>",
        "</s>",
    ]
    pieces = train(TEXT, 60, lower_case=True)
    laid = marked("The cat [SEP] a dog", pieces, most=2)
    ends = [place for place, token in enumerate(tokens(pieces, laid)) if token == "[SEP]"]
    assert len(ends) == 2
    assert laid.sentences == [0] * (ends[0] + 1) + [1] * (len(laid.ids) - ends[0] - 1)
    with pytest.raises(InputError, match="has 3 sentences with"):
        marked("a [SEP] b [SEP] c", pieces, most=2)


@pytest.mark.parametrize("text", ["  The naïve 猫 sat [MASK] , on", "The cat  [SEP]  on [MASK][MASK]mat "])
def test_each_token_s_place_in_the_line_is_told(byte_level, text):
    for tokenizer in (byte_level, train(TEXT, 60, lower_case=True)):
        laid = marked(text, tokenizer, most=2, masks=True)
        seen = set()
        for index, span in zip(laid.ids, laid.spans, strict=True):
            if span is None:
                assert index in (tokenizer.cls, tokenizer.sep, tokenizer.mask)
                continue
            told, begin, end = laid.told(span)
            assert text[begin:end] == told
            assert told == told.strip()
            seen |= set(range(begin, end))
        plain = text.replace("[MASK]", " " * 6).replace("[SEP]", " " * 5)
        assert seen == {place for place, letter in enumerate(plain) if not letter.isspace()}


def test_running_text_has_no_special_tokens_and_no_space_at_its_end(byte_level):
    assert running("The cat ", byte_level).ids == byte_level.encode(["The cat"])[0]
    with pytest.raises(InputError, match="has no words"):
        running(" ", byte_level)
    with pytest.raises(InputError, match="has 2 sentences"):
        running("a [SEP] b", byte_level)
