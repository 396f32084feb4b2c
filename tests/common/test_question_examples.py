"""Examples of questions against ``transformers``' windows and google-research/bert's answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import transformers

from zoo_common.data import open_dataset
from zoo_common.data.makers.question_windows import WindowLayout
from zoo_common.data.subwords import byte_level_bpe
from zoo_common.data.subwords.tokenizer import train
from zoo_spec import load_spec
from zoo_spec.errors import InputError

CONTEXT = (
    " The boat left port at dawn in May 1890, which\tthe (old) cook na\u00efve-Caf\u00e9 did not  like. It carried "
    "ten goats, 3.5 tons of \u8336\u8449 and the Japanese flag\u2014over the sea \U0001f375! Nobody spoke. "
)
LONG = "What did it carry, " + "and what else, " * 9 + "and why?"
QUESTIONS = ("  When did the boat leave?", LONG)
ANSWERS = ("at dawn", "May 1890", "1890", "old", "na\u00efve-Caf\u00e9", "ten goats", "3.5 tons")
ANSWERS += ("\u8336\u8449", "Japan", "\U0001f375")
LENGTH, STRIDE, QUESTION = 40, 11, 12


@pytest.fixture(scope="module")
def tokenizers():
    texts = [CONTEXT, *QUESTIONS] * 3
    return {"bert": train(texts, 120, lower_case=True), "roberta": byte_level_bpe.train(texts, 320)}


def theirs_of(kind, tokenizer):
    model = json.loads(tokenizer.tokenizer.to_str())["model"]
    if kind == "bert":
        return transformers.BertTokenizer(vocab=model["vocab"])
    return transformers.RobertaTokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]]
    )


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_windows_are_those_of_transformers(tokenizers, kind, question):
    ours = WindowLayout(tokenizers[kind], length=LENGTH, stride=STRIDE, question_length=QUESTION)
    asked = ours.asked(question, CONTEXT)
    theirs = theirs_of(kind, tokenizers[kind])
    asks = theirs(question.lstrip(), add_special_tokens=False)["input_ids"][:QUESTION]
    assert list(asked.question) == asks
    cut = theirs.decode(asks) if len(asks) == QUESTION else question.lstrip()
    room = LENGTH - len(asks) - theirs.num_special_tokens_to_add(pair=True)
    found = theirs(
        cut,
        CONTEXT,
        truncation="only_second",
        max_length=LENGTH,
        stride=room - STRIDE,  # What they call stride is what two windows share.
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    assert len(asked.windows) == len(found["input_ids"]) > 3
    for number, window in enumerate(asked.windows):
        assert ours.example(asked, window)["input_ids"].tolist() == found["input_ids"][number]
        text = [place for place, part in enumerate(found.sequence_ids(number)) if part == 1]
        assert (window.place, window.last - window.first) == (text[0], len(text))
        offsets = [found["offset_mapping"][number][place] for place in text]
        assert [piece[1:] for piece in asked.pieces[window.first : window.last]] == offsets


def test_types_tell_the_question_with_its_marks_from_the_text(tokenizers):
    layout = WindowLayout(tokenizers["bert"], length=LENGTH, stride=STRIDE, question_length=QUESTION)
    asked = layout.asked(QUESTIONS[0], CONTEXT)
    example = layout.example(asked, asked.windows[-1])
    ids, types = example["input_ids"], example["token_type_ids"]
    separators = np.flatnonzero(ids == layout.tokenizer.sep)
    assert types.tolist() == [0] * (separators[0] + 1) + [1] * (len(ids) - separators[0] - 1)


def google_span(tokenizer, context, answer, start):
    """Tokens of an answer as google-research/bert's run_squad.py finds them, words first, then ``_improve``."""
    words, of_character, after_space = [], [], True
    for character in context:
        if character in " \t\r\n\u202f":
            after_space = True
        else:
            words[len(words) :] = [""] if after_space else []
            words[-1] += character
            after_space = False
        of_character.append(len(words) - 1)
    first_of, tokens = [], []
    for word in words:
        first_of.append(len(tokens))
        tokens += tokenizer.encode([word])[0]
    begin, end = of_character[start], of_character[start + len(answer) - 1]
    first, last = first_of[begin], (first_of[end + 1] if end + 1 < len(words) else len(tokens)) - 1
    wanted = tokenizer.encode([answer])[0]
    for new_first in range(first, last + 1):
        for new_last in range(last, new_first - 1, -1):
            if tokens[new_first : new_last + 1] == wanted:
                return new_first, new_last + 1
    return first, last + 1


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_where_google_research_bert_finds_it(tokenizers, answer):
    layout = WindowLayout(tokenizers["bert"], length=64, stride=STRIDE, question_length=QUESTION)
    asked, start = layout.asked("Who?", CONTEXT), CONTEXT.index(answer)
    ids = [piece[0] for piece in asked.pieces]
    assert ids == tokenizers["bert"].encode([CONTEXT])[0]
    assert asked.tokens_of(start, start + len(answer)) == google_span(
        tokenizers["bert"], CONTEXT, answer, start
    )


def test_a_window_owns_the_tokens_that_it_has_most_text_around(tokenizers):
    layout = WindowLayout(tokenizers["bert"], length=LENGTH, stride=STRIDE, question_length=QUESTION)
    asked = layout.asked("When?", CONTEXT)
    for token in range(len(asked.pieces)):
        scores = [
            # google-research/bert, _check_is_max_context
            (min(token - each.first, each.last - 1 - token) + 0.01 * (each.last - each.first), -number)
            for number, each in enumerate(asked.windows)
            if each.first <= token < each.last
        ]
        assert asked.owners[token] == -max(scores)[1]


def squad(tmp_path, *qas, context=CONTEXT):
    path = tmp_path / "s.json"
    path.write_text(
        json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(qas)}]}]})
    )
    return path


def asks(name, *answers, context=CONTEXT):
    found = [{"text": text, "answer_start": context.index(text)} for text in answers]
    return {"id": name, "question": "When did the boat leave?", "answers": found}


def opened(path, *settings, split="train", question_length=12):
    sizes = f"sequence_length: 40, stride: 11, question_length: {question_length}"
    data = f"data={{kind: squad, files: {path}, evaluation_files: {path}, {sizes}}}"
    return open_dataset(load_spec("bert_tiny_squad", [data, *settings]), None, split)


@pytest.mark.parametrize("threshold", [[], ["task.no_answer_threshold=0"]])
def test_every_window_is_an_example_and_one_without_the_whole_answer_points_at_the_first_token(
    tmp_path, threshold
):
    found = opened(
        squad(tmp_path, asks("a", "at dawn"), asks("b", "tons of \u8336\u8449 and", "goats")), *threshold
    )
    seen = {"a": [], "b": []}
    for index in range(len(found)):
        example, (question, text, number) = found.example(3, index), found.asked(index)
        start, end = int(example["start_positions"]), int(example["end_positions"])
        window = text.windows[number]
        seen[question.id].append(bool(start))
        if start:  # The last token belongs to the answer.
            first, last = (place - window.place + window.first for place in (start, end))
            begin, stop = text.characters_of(first, last)
            assert CONTEXT[begin:stop] == question.answers[0].text
        else:
            assert end == 0
    assert len(seen["a"]) == len(seen["b"]) > 3
    assert any(seen["a"])
    assert any(seen["b"])
    assert not all(seen["a"] + seen["b"])


def test_questions_without_an_answer_are_for_a_task_that_may_give_none(tmp_path):
    path = squad(tmp_path, asks("a", "at dawn"), asks("n"))
    with pytest.raises(InputError, match=r"question 'n': has no answer.*task\.no_answer_threshold"):
        opened(path)
    found = opened(path, "task.no_answer_threshold=0", split="eval")
    assert not any(
        found.example(0, index)["end_positions"]
        for index in range(len(found))
        if found.asked(index).question.id == "n"
    )


def test_a_text_or_an_answer_that_the_tokenizer_has_nothing_for_is_named(tmp_path):
    odd = "at dawn \u200b\u200c."
    path = squad(tmp_path, asks("a", "at", context=odd), asks("z", "\u200b\u200c", context=odd), context=odd)
    with pytest.raises(
        InputError, match=r"question 'z': the tokenizer has nothing for the answer '\\u200b\\u200c'"
    ):
        opened(path)


def test_a_question_that_leaves_no_room_for_its_text_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"sequence_length 40 has no room.*question_length 37.*set it to 41 or more"
    ):
        opened(squad(tmp_path, asks("a", "at dawn")), question_length=37)


def test_a_model_of_one_text_cannot_be_asked(tmp_path):
    with pytest.raises(InputError, match="a question and its context, and bert_tiny_squad takes one: it has"):
        opened(squad(tmp_path, asks("a", "at dawn")), "model.type_vocab_size=1")
