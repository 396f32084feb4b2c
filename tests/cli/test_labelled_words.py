"""A run on labelled words from the command line: entities in answers, and evaluations by their types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from small_runs import BERT, probed_run
from zoo_common.cli.main import application
from zoo_common.data.entities import entities
from zoo_spec import load_spec

SENTENCES = ["Ada met Bo in Oslo .", "The cat sat in Rome .", "Bo left Oslo , and Ada stayed ."]
TAGS = ["B-PER O B-PER O B-LOC O", "O O O O B-LOC O", "B-PER O B-LOC O O B-PER O O"]
SIZES = [each for each in BERT if each.startswith("model.")]
TEXT = "Ada's cat (in Oslo) met Bo."


def run(*arguments: object, status: int = 0) -> str:
    found = CliRunner().invoke(application(), [str(argument) for argument in arguments])
    assert found.exit_code == status, found.output
    return found.stdout


def words_run(folder: Path, **fields: object) -> Path:
    file = folder / "eng.train"
    rows = [zip(*(each.split() for each in pair), strict=True) for pair in zip(SENTENCES, TAGS, strict=True)]
    file.write_text("\n\n".join("\n".join(" ".join(each) for each in row) for row in rows) + "\n")
    data = {
        "kind": "conll",
        "files": str(file),
        "evaluation_files": str(file),
        "sequence_length": 24,
        **fields,
    }
    spec = load_spec("bert_tiny_ner", [*SIZES, "task.classes=5", f"data={json.dumps(data)}"])
    return probed_run(spec, folder / "run")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory) -> Path:
    return words_run(tmp_path_factory.mktemp("tagger"))


def asked(tagger: Path, framework: str = "torch") -> list[object]:
    return ["--framework", framework, "--run-dir", tagger, "--device", "cpu"]


def test_entities_are_told_with_their_types_and_places_the_same_in_both_frameworks(tagger):
    answers = []
    for framework in ("torch", "tf"):
        shown = run("predict", *asked(tagger, framework), "--words", TEXT)
        answers.append(json.loads(shown))
    torch, tf = answers
    assert [each["text"] for each in torch["words"]] == [
        "Ada",
        "'s",
        "cat",
        "(",
        "in",
        "Oslo",
        ")",
        "met",
        "Bo",
        ".",
    ]
    labels = [each["label"] for each in torch["words"]]
    assert labels == [each["label"] for each in tf["words"]]
    assert len(set(labels)) > 1
    wanted = [
        (each.type or "entity", torch["words"][each.first]["start"], torch["words"][each.last - 1]["end"])
        for each in entities(labels)
    ]
    assert wanted
    for answer in answers:
        assert [(each["type"], each["start"], each["end"]) for each in answer["entities"]] == wanted
        assert all(each["text"] == TEXT[each["start"] : each["end"]] for each in answer["entities"])
    for one, other in zip(torch["words"], tf["words"], strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)
    plain = json.loads(run("predict", *asked(tagger), TEXT))
    assert "words" not in plain
    assert plain["entities"] == torch["entities"]


def test_an_evaluation_has_the_scores_of_the_entities_that_predictions_tell(tagger):
    found = json.loads(run("eval", *asked(tagger), "--json"))
    said = [
        [each["label"] for each in json.loads(line)["words"]]
        for line in run("predict", *asked(tagger), "--words", *SENTENCES).splitlines()
    ]
    wanted = {(n, *each) for n, labels in enumerate(TAGS) for each in entities(labels.split())}
    told = {(n, *each) for n, labels in enumerate(said) for each in entities(labels)}
    assert told
    both = len(wanted & told)
    assert [found[f"entity_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(
        [both / len(told), both / len(wanted), 2 * both / (len(told) + len(wanted))], abs=1e-12
    )
    support = {"LOC": 3, "PER": 4}
    assert {name: each["support"] for name, each in found["classes"].items() if each["support"]} == support
    shown = run("eval", *asked(tagger))
    assert "LOC" in shown
    assert "B-LOC" not in shown


def test_what_labels_no_words_tells_none(tmp_path, tagger):
    run("predict", *asked(tagger), " ... ", status=0)
    assert '"error": "input 1: has no words"' in run("predict", *asked(tagger), "", status=2)
    long = run("predict", *asked(tagger), "cat " * 40, status=2)
    assert "special ones included, and the model takes 32" in long
