"""A run on a table of labelled text from the command line: names in answers, evaluations and exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sklearn.metrics import precision_recall_fscore_support
from tokenizers import Tokenizer
from typer.testing import CliRunner

from small_runs import BERT, labelled_run, probed_run
from zoo_common.cli.main import application
from zoo_common.training.served import served
from zoo_spec import load_spec

LABELS = ["bird", "cat", "dog"]
ROWS = [
    (f"the {label} {verb} the {other}", label)
    for label in LABELS
    for verb in ("sees", "likes")
    for other in LABELS
]
SIZES = [each for each in BERT if each.startswith("model.")]


def run(*arguments: object, status: int = 0) -> str:
    found = CliRunner().invoke(application(), [str(argument) for argument in arguments])
    assert found.exit_code == status, found.output
    return found.stdout


def table(file: Path, *, several: bool = False) -> Path:
    lines = [f"{text}\t{label}{',bird' if several and 'cat' in text else ''}" for text, label in ROWS]
    file.write_text("\n".join(["sentence\tanimal", *lines]) + "\n", encoding="utf-8")
    return file


def of_table(folder: Path, name: str, **options: bool) -> Path:
    file = table(folder / "animals.tsv", **options)
    data = {
        "kind": "text_table",
        "files": str(file),
        "evaluation_files": str(file),
        "text": "sentence",
        "label": "animal",
    }
    spec = load_spec(name, [*SIZES, "task.classes=3", f"data={json.dumps({**data, 'sequence_length': 16})}"])
    return probed_run(spec, folder / "run")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    return of_table(tmp_path_factory.mktemp("one"), "bert_tiny_classification")


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_a_class_is_told_and_evaluated_by_its_name(classifier, framework):
    asked = ["--framework", framework, "--run-dir", classifier, "--device", "cpu"]
    answers = [json.loads(line) for line in run("predict", *asked, *(text for text, _ in ROWS)).splitlines()]
    for answer in answers:
        chances = answer["probabilities"]
        assert answer["label"] == LABELS[chances.index(max(chances))]
    told, wanted = [answer["label"] for answer in answers], [label for _, label in ROWS]
    found = json.loads(run("eval", *asked, "--json"))
    columns = precision_recall_fscore_support(wanted, told, labels=LABELS, zero_division=0)
    assert list(found["classes"]) == LABELS
    for number, label in enumerate(LABELS):
        scores = found["classes"][label]
        assert list(scores.values()) == pytest.approx([column[number] for column in columns], abs=1e-12)
    means = precision_recall_fscore_support(wanted, told, average="macro", zero_division=0)[:3]
    assert [found[f"macro_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(
        means, abs=1e-12
    )
    shown = run("eval", *asked)
    assert all(label in shown for label in LABELS)


def test_several_labels_are_told_by_their_names(tmp_path):
    directory = of_table(tmp_path, "bert_tiny_multi_label", several=True)
    asked = ["--framework", "torch", "--run-dir", directory, "--device", "cpu"]
    for text, _ in ROWS[:4]:
        answer = json.loads(run("predict", *asked, text))
        likely = [name for name, chance in zip(LABELS, answer["probabilities"], strict=True) if chance > 0.5]
        assert answer["labels"] == likely
    assert list(json.loads(run("eval", *asked, "--json"))["classes"]) == LABELS


def test_an_export_has_the_tokenizer_and_the_names(classifier, tmp_path):
    run("export", "--framework", "torch", "--run-dir", classifier, "--output", tmp_path / "export")
    signature = json.loads((tmp_path / "export" / "signature.json").read_text(encoding="utf-8"))
    assert signature["labels"] == json.loads((tmp_path / "export" / "labels.json").read_text()) == LABELS
    assert {"spec.yaml", "tokenizer.json", "labels.json"} <= set(signature["files"])
    ours = Tokenizer.from_file(str(classifier / "tokenizer.json"))
    assert Tokenizer.from_file(str(tmp_path / "export" / "tokenizer.json")).get_vocab() == ours.get_vocab()


def test_a_run_on_batches_of_a_program_is_exported_with_the_vocabulary_that_its_spec_names(tmp_path):
    directory = labelled_run(tmp_path, "bert_tiny_classification")
    assert not (directory / "tokenizer.json").exists()
    spec = load_spec(directory / "spec.yaml")
    found = served(spec, spec.graph(), directory)
    assert found.labels is None
    assert sorted(found.files) == ["spec.yaml", "tokenizer.json"]
    kept = Tokenizer.from_str(found.files["tokenizer.json"].decode())
    assert kept.get_vocab() == Tokenizer.from_file(str(tmp_path / "vocabulary.json")).get_vocab()


def test_names_that_do_not_fit_the_model_are_one_line(classifier, tmp_path):
    names = classifier / "labels.json"
    kept = names.read_text()
    try:
        names.write_text(json.dumps(LABELS[:2]))
        for command in ("predict", "eval", "export"):
            arguments = ["--framework", "torch", "--run-dir", classifier]
            found = CliRunner().invoke(
                application(), [command, *map(str, arguments), *(["a"] * (command == "predict"))]
            )
            assert found.exit_code == 2
            assert "labels.json: has 2 names, and the model 3 classes" in found.output
    finally:
        names.write_text(kept)
