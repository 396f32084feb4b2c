"""``zoo predict`` on questions out of files: ids, texts longer than the model, and SQuAD's own predictions."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from small_runs import BERT, probed_run
from zoo_common.cli.main import application
from zoo_spec import load_spec

TEXT = "The cat sat on the mat. The dog ran to the door, and the cat ran too. Time flies like an arrow. " * 3
ASKED = {
    "a": ("Where?", "on the mat"),
    "b": ("Who ran to the door?", "The dog"),
    "c": ("How does time fly?", "arrow"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that learned from the document that it is then asked."""
    folder = tmp_path_factory.mktemp("questions")
    document(folder / "squad.json")
    sizes = "sequence_length: 24, stride: 6, question_length: 8"
    data = f"data={{kind: squad, files: {folder}/squad.json, evaluation_files: {folder}/squad.json, {sizes}}}"
    spec = load_spec("bert_tiny_squad", [*(each for each in BERT if not each.startswith("data.")), data])
    return probed_run(spec, folder / "run")


def document(path, **extra):
    qas = [
        {"id": name, "question": question, "answers": [{"text": text, "answer_start": TEXT.index(text)}]}
        for name, (question, text) in ASKED.items()
    ]
    qas[0] |= extra
    path.write_text(json.dumps({"version": "1.1", "data": [{"paragraphs": [{"context": TEXT, "qas": qas}]}]}))
    return path


def predicted(run, *arguments, status=0):
    command = [
        "predict",
        "--framework",
        "torch",
        "--run-dir",
        str(run),
        "--device",
        "cpu",
        *map(str, arguments),
    ]
    found = CliRunner().invoke(application(), command)
    assert found.exit_code == status, found.output
    return [json.loads(line) for line in found.stdout.splitlines()], found.stderr


def test_a_text_longer_than_the_model_is_read_in_windows_and_answered_by_a_part_of_it(run):
    line = f"Who ran? [SEP] {TEXT}"
    (answer,), _ = predicted(run, line, "--top", 3, "--batch-size", 2)
    assert line[answer["start"] : answer["end"]] == answer["answer"] != ""
    best = answer["answers"]
    assert next(each["answer"] for each in best) == answer["answer"]
    assert [each["score"] for each in best] == sorted((each["score"] for each in best), reverse=True)
    assert len(best) == 3


def test_documents_and_lines_of_json_are_answered_by_id_and_written_as_squads_scripts_read_them(
    run, tmp_path
):
    answers, _ = predicted(run, "--input", document(tmp_path / "s.json"), "--squad", tmp_path / "out")
    assert [answer["id"] for answer in answers] == list(ASKED)
    for answer in answers:
        assert TEXT[answer["start"] : answer["end"]] == answer["answer"]
    lines = [{"id": name, "question": question, "context": TEXT} for name, (question, _) in ASKED.items()]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    again, _ = predicted(run, "--input", tmp_path / "s.jsonl", "--batch-size", 1, "--top", 20)
    assert [each["answer"] for each in again] == [each["answer"] for each in answers]
    written = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert written == {answer["id"]: answer["answer"] for answer in answers}
    ranked = json.loads((tmp_path / "out" / "nbest_predictions.json").read_text())
    for answer in answers:
        best = ranked[answer["id"]]
        assert best[0]["text"] == answer["answer"]
        assert len(best) == 20
        assert sum(each["probability"] for each in best) == pytest.approx(1, abs=1e-5)
        assert set(best[0]) == {"text", "probability", "start_logit", "end_logit"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "nbest_predictions.json",
        "predictions.json",
    ]


def test_an_evaluation_measures_the_answers_that_are_predicted(run, tmp_path):
    answers, _ = predicted(run, "--input", document(tmp_path / "s.json"))
    right = sum(answer["answer"] == ASKED[answer["id"]][1] for answer in answers) / len(ASKED)
    command = ["eval", "--framework", "torch", "--run-dir", str(run), "--device", "cpu", "--json"]
    found = CliRunner().invoke(application(), command)
    assert found.exit_code == 0, found.output
    metrics = json.loads(found.stdout)
    assert metrics.get("metrics", metrics)["exact_match"] == pytest.approx(right)


def test_what_cannot_be_asked_is_said_of_its_place_and_the_rest_is_answered(run, tmp_path):
    answers, said = predicted(run, "--input", document(tmp_path / "s.json", question=3), status=2)
    assert "question 'a': the question is 3" in answers[0]["error"]
    assert len(answers) == 3
    assert "1 of 3 inputs have no answer" in said
    answers, _ = predicted(run, '{"question": "Who?", "context": 3}', status=2)
    assert "input 1: the context is 3" in answers[0]["error"]
    _, said = predicted(run, "Who? [SEP] The cat.", "--squad", tmp_path / "out", status=2)
    assert "has no id, by which SQuAD's scripts know a question" in said
    assert not list((tmp_path / "out").iterdir())
