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


@pytest.mark.parametrize("task", ["rte", "stsb"])
def test_glues_test_files_are_answered_as_its_site_takes_them(tmp_path, task):
    folder, columns = (tmp_path / "RTE", 0) if task == "rte" else (tmp_path / "STS-B", 6)
    folder.mkdir()
    filling = "".join(f"c{number}\t" for number in range(columns))
    long = "the cat sees the dog " * 20  # Cut as in training, longer than the model takes.
    pairs = [("the cat sees", "the dog"), ("the bird", "likes the cat"), (long, "the dog")]
    labels = ("entailment", "not_entailment", "entailment") if task == "rte" else ("0.5", "4.2", "3.1")
    for name in ("train", "dev"):
        told = enumerate(zip(pairs, labels, strict=True))
        rows = [f"{number}\t{filling}{a}\t{b}\t{label}" for number, ((a, b), label) in told]
        header = f"index\t{filling}sentence1\tsentence2\tlabel"
        (folder / f"{name}.tsv").write_text("\n".join([header, *rows]) + "\n")
    rows = [f"{n + 5}\t{filling}{a}\t{b}" for n, (a, b) in enumerate(pairs)]
    (folder / "test.tsv").write_text("\n".join([f"index\t{filling}sentence1\tsentence2", *rows]) + "\n")
    kind = "sequence_classification, classes: 2" if task == "rte" else "sequence_regression"
    data = f"{{kind: glue, task: {task}, directory: {tmp_path}, sequence_length: 24}}"
    spec = load_spec("bert_tiny_classification", [*SIZES, f"task={{kind: {kind}}}", f"data={data}"])
    probed_run(spec, tmp_path / "run")
    for framework in ("torch", "tf"):
        command = ("predict", "--framework", framework, "--run-dir", tmp_path / "run", "--device", "cpu")
        run(*command, "--glue", tmp_path / framework)
    file = "RTE.tsv" if task == "rte" else "STS-B.tsv"
    found = (tmp_path / "torch" / file).read_text()
    assert (tmp_path / "tf" / file).read_text() == found
    header, *lines = [line.split("\t") for line in found.splitlines()]
    assert header == ["index", "prediction"]
    assert [index for index, _ in lines] == ["5", "6", "7"]
    told = json.loads(run(*command, f"{pairs[1][0]} [SEP] {pairs[1][1]}"))
    if task == "rte":
        assert lines[1][1] == told["label"]
        assert {label for _, label in lines} <= {"entailment", "not_entailment"}
    else:
        assert lines[1][1] == f"{min(max(told['value'], 0), 5):.3f}"
    assert (
        "no --glue" in CliRunner().invoke(application(), [*map(str, command), "--glue", "x", "text"]).stderr
    )
