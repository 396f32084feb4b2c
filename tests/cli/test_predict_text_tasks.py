"""``zoo predict`` on what people label: classes, labels, numbers, tokens, answers, against ``transformers``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner

from references.bert import bert_config
from small_models import probe_weights
from small_runs import labelled_run
from zoo_common.cli.main import application
from zoo_common.interop import to_transformers
from zoo_spec import load_spec

TEXT = "The cat ran. [SEP] The dog sat on the mat."


def run(directory, *arguments, framework="torch"):
    command = [
        "predict",
        "--framework",
        framework,
        "--run-dir",
        str(directory),
        "--device",
        "cpu",
        *arguments,
    ]
    return CliRunner().invoke(application(), command)


def both(directory, *arguments, status=0):
    """The answers of both frameworks, alike but for the last digits."""
    found = []
    for framework in ("torch", "tf"):
        given = run(directory, *arguments, framework=framework)
        assert given.exit_code == status, given.output
        found.append([json.loads(line) for line in given.stdout.splitlines()])
    assert same(*found)
    return found[0]


def same(one, other):
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == pytest.approx(other, abs=1e-5) if isinstance(one, float) else one == other


def reference(directory, model_class, classes, text):
    """What ``transformers`` says of a text with a run's weights, and its tokens."""
    spec = load_spec(directory / "spec.yaml")
    config = bert_config(spec.model)
    config.num_labels = classes
    model = getattr(transformers, model_class)(config).eval()
    weights = to_transformers(spec, probe_weights(spec.graph()))
    found = model.load_state_dict(
        {name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}, strict=False
    )
    assert not found.unexpected_keys
    assert all("position_ids" in name or "pooler" in name for name in found.missing_keys)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(directory.parent / "vocabulary.json"), cls_token="[CLS]", sep_token="[SEP]"
    )
    given = tokenizer(f"[CLS] {text} [SEP]", return_tensors="pt", add_special_tokens=False)["input_ids"]
    ends = (given == tokenizer.convert_tokens_to_ids("[SEP]")).int()
    with torch.no_grad():
        outputs = model(input_ids=given, token_type_ids=ends.cumsum(1) - ends)
    return outputs, tokenizer.convert_ids_to_tokens(given[0].tolist())


def test_a_text_has_the_class_that_transformers_gives_it(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_classification")
    logits = reference(directory, "BertForSequenceClassification", 3, TEXT)[0].logits[0]
    # The shorter line is padded to the longer one's length.
    answer, short = both(directory, "--batch-size", "2", TEXT, "The cat ☃.")
    assert list(answer) == ["line", "text", "label", "probability", "probabilities"]
    np.testing.assert_allclose(answer["probabilities"], logits.double().softmax(-1).numpy(), atol=1e-5)
    assert answer["label"] == int(logits.argmax())
    assert short["unknown"] == ["☃"]
    assert same(short["probabilities"], both(directory, "The cat ☃.")[0]["probabilities"])


def test_a_text_has_each_label_that_is_likelier_than_not(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_multi_label")
    logits = reference(directory, "BertForSequenceClassification", 5, TEXT)[0].logits[0]
    answer = both(directory, TEXT)[0]
    np.testing.assert_allclose(answer["probabilities"], logits.double().sigmoid().numpy(), atol=1e-5)
    assert answer["labels"] == (logits > 0).nonzero()[:, 0].tolist()
    assert 0 < len(answer["labels"]) < 5


def test_a_text_has_a_number(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_regression")
    logits = reference(directory, "BertForSequenceClassification", 1, TEXT)[0].logits[0, 0]
    assert both(directory, TEXT)[0]["value"] == pytest.approx(float(logits), abs=1e-5)


def test_each_token_has_a_class_and_its_place_in_the_line(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_ner", "task.classes=9")
    outputs, tokens = reference(directory, "BertForTokenClassification", 9, TEXT)
    answer = both(directory, TEXT)[0]["tokens"]
    kept = [place for place, token in enumerate(tokens) if token not in ("[CLS]", "[SEP]")]
    assert [each["token"] for each in answer] == [tokens[place] for place in kept]
    chances = outputs.logits[0][kept].double().softmax(-1)
    assert [each["label"] for each in answer] == chances.argmax(-1).tolist()
    np.testing.assert_allclose([each["probability"] for each in answer], chances.amax(-1), atol=1e-5)
    for each in answer:
        assert TEXT[each["start"] : each["end"]].lower() == each["token"].removeprefix("##")


def test_a_question_is_answered_by_a_part_of_the_text_or_by_nothing(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_squad", "task.no_answer_threshold=0")
    texts = (
        "The dog sat on the mat.",
        "The cat ran to the door, and the dog ran too.",
        "An arrow flies",
        "cat",
    )
    questions = [
        f"{question} [SEP] {text}" for question in ("The cat", "The dog ran", "Time") for text in texts
    ]
    empty = 0
    for line, answer in zip(questions, both(directory, *questions), strict=True):
        outputs, tokens = reference(directory, "BertForQuestionAnswering", 2, line)
        start, end = outputs.start_logits[0].double(), outputs.end_logits[0].double()
        middle = tokens.index("[SEP]")
        spans = [(i, j) for i in range(middle + 1, len(tokens) - 1) for j in range(i, len(tokens) - 1)]
        first, last = max(spans, key=lambda span: float(start[span[0]] + end[span[1]]))
        best, null = float(start[first] + end[last]), float(start[0] + end[0])
        assert answer["no_answer_score"] == pytest.approx(null - best, abs=1e-4)
        assert answer["score"] == pytest.approx(max(null, best), abs=1e-4)
        if null > best:
            assert answer["answer"] == ""
            assert answer["probability"] == answer["no_answer"]
            empty += 1
            continue
        assert line[answer["start"] : answer["end"]] == answer["answer"]
        wanted = "".join(token.removeprefix("##") for token in tokens[first : last + 1])
        assert answer["answer"].lower().replace(" ", "") == wanted
    assert 0 < empty < len(questions)


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("bert_tiny_squad", "Where is the cat?", "has no text behind the question"),
        ("bert_tiny_squad", "Where? [SEP] ", "has no text behind the question"),
        ("bert_tiny_classification", "a [SEP] b [SEP] c", "has 3 sentences"),
        ("bert_tiny_ner", "cat " * 40, "special ones included, and the model takes 32"),
    ],
)
def test_a_line_that_cannot_be_answered_says_why(tmp_path, name, line, says):
    found = run(labelled_run(tmp_path, name), line)
    assert found.exit_code == 2
    assert f"input 1: {says}" in found.stderr or says in json.loads(found.stdout)["error"]


def test_a_causal_model_classifies_running_text(tmp_path):
    directory = labelled_run(tmp_path, "gpt2_tiny_classification")
    long, short = both(directory, "--batch-size", "2", "The cat sat on the mat.", "The cat sat")
    assert same({**short, "line": 1}, both(directory, "The cat sat")[0])
    assert long["probabilities"] != short["probabilities"]
    assert "takes 1" in both(directory, "The cat [SEP] sat", status=2)[0]["error"]


def test_a_run_without_text_or_a_tokenizer_says_so(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_ner", "task.classes=9")
    found = run(directory, "--top", "3", "The cat")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "a token is answered with its likeliest class; leave it out" in found.stderr
    (tmp_path / "vocabulary.json").unlink()
    assert "vocabulary.json: there is no such file" in run(directory, "The cat").stderr
    spec = (directory / "spec.yaml").read_text(encoding="utf-8")
    (directory / "spec.yaml").write_text(
        spec.replace(str(tmp_path / "vocabulary.json"), "null"), encoding="utf-8"
    )
    found = run(directory, "The cat")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "and data.vocabulary names none; put back the tokenizer" in found.stderr


def test_a_model_of_one_sentence_answers_no_questions(tmp_path):
    found = run(labelled_run(tmp_path, "bert_tiny_squad", "model.type_vocab_size=1"), "Where? [SEP] Here.")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "a question and its text are two sentences, and bert_tiny_squad takes one" in found.stderr
