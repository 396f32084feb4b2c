"""What each class counts in the loss of a classification."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.utils.class_weight import compute_class_weight
from torch import nn, tensor

from models import training_model
from zoo_common.data import batch, open_dataset
from zoo_common.metrics import open_metric
from zoo_spec import load_spec
from zoo_spec.errors import InputError, SpecError

LABELS = ["a"] * 12 + ["b"] * 3 + ["c"] * 5


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(
        "text\tlabel\n" + "".join(f"word {number}\t{name}\n" for number, name in enumerate(LABELS))
    )
    columns = "text: text, label: label, sequence_length: 8"
    data = f"{{kind: text_table, files: {path}, evaluation_files: {path}, {columns}}}"

    def made(weights):
        changes = [f"task.class_weights={weights}", f"data={data}", "training.precision=float64"]
        return load_spec("bert_tiny_classification", changes)

    return made


def test_balanced_weights_are_scikit_learns_in_training_and_evaluation(spec):
    wanted = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=LABELS)
    for split in ("train", "eval"):
        given = batch(open_dataset(spec("balanced"), None, split), 0, 0, len(LABELS))
        np.testing.assert_allclose(given["label_weights"], wanted[given["labels"]], rtol=1e-6)


def test_weights_are_given_by_class_and_without_them_there_are_none(spec):
    given = batch(open_dataset(spec("[1, 0.5, 0]"), None, "train"), 0, 0, len(LABELS))
    np.testing.assert_array_equal(given["label_weights"], np.array([1, 0.5, 0])[given["labels"]])
    assert "label_weights" not in batch(open_dataset(spec("null"), None, "train"), 0, 0, 4)


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_the_loss_is_torchs_with_weights_of_classes_in_both_frameworks(spec, framework):
    weighed = spec("[1, 0.5, 3]")
    given = batch(open_dataset(weighed, None, "train"), 0, 0, len(LABELS))
    outputs = training_model(framework, weighed.graph(), weighed.training).evaluate_step(given)
    logits = tensor(np.asarray(outputs["logits"], np.float64))
    wanted = nn.functional.cross_entropy(
        logits, tensor(given["labels"]).long(), weight=tensor([1, 0.5, 3]).double()
    )
    name = weighed.graph().loss_parts[0].name
    found = outputs[f"{name}_numerator"] / outputs[f"{name}_denominator"]
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)


def test_weights_that_do_not_fit_are_refused(spec):
    with pytest.raises(SpecError, match="class_weights has 2 weights, and classes is 3"):
        spec("[1, 2]")
    with pytest.raises(SpecError):
        spec("[1, 2, -1]")


def test_a_class_without_records_has_no_balanced_weight(spec):
    wanted = spec("balanced")
    data = wanted.data.model_copy(update={"labels": ("a", "b", "c", "d")})
    task = wanted.task.model_copy(update={"classes": 4})
    with pytest.raises(InputError, match="no training record is of the class 'd'"):
        open_dataset(wanted.model_copy(update={"data": data, "task": task}), None, "train")


WORDS = ["O", "B-A", "I-A", "O", "O", "O"]


def words(tmp_path, weights, **data):
    path = tmp_path / "words.txt"
    path.write_text("".join(f"word{number} {name}\n" for number, name in enumerate(WORDS)))
    fields = "".join(f", {name}: {value}" for name, value in data.items())
    data = f"{{kind: conll, files: {path}, evaluation_files: {path}, sequence_length: 64{fields}}}"
    given = [f"task.class_weights={weights}", "task.classes=3", f"data={data}", "training.precision=float64"]
    return load_spec("bert_tiny_ner", given)


@pytest.mark.parametrize("pieces", ["first", "all"])
def test_words_weigh_by_the_class_of_each_and_what_has_no_label_weighs_nothing(tmp_path, pieces):
    balanced = compute_class_weight("balanced", classes=np.array(["O", "B-A", "I-A"]), y=WORDS)
    for weights, wanted in (("balanced", balanced), ("[1, 0.5, 3]", np.array([1, 0.5, 3]))):
        for split in ("train", "eval"):
            examples = open_dataset(words(tmp_path, weights, label_pieces=pieces), None, split)
            given = examples.example(0, 0)
            (plain,) = [open_dataset(words(tmp_path, "null", label_pieces=pieces), None, split).example(0, 0)]
            np.testing.assert_allclose(
                given["label_weights"], plain["label_weights"] * wanted[given["labels"]], rtol=1e-6
            )
            assert given["label_weights"][0] == 0 == given["label_weights"][-1]


def test_how_often_a_tagger_is_right_is_the_same_with_weights_of_classes(tmp_path):
    spec = words(tmp_path, "[1, 0.5, 3]")
    given = batch(open_dataset(spec, None, "eval"), 0, 0, 1)
    logits = np.eye(3)[np.zeros_like(given["labels"])]  # O everywhere.
    counter = open_metric(spec.task.metrics()[0])
    counter.add(given, {"logits": logits})
    assert counter.value == WORDS.count("O") / len(WORDS)
    with pytest.raises(SpecError):
        words(tmp_path, "[1, 0, 3]")


def test_images_weigh_by_their_class(tmp_path):
    names = ["cat"] * 5 + ["dog"] * 2 + ["eel"]
    for number, name in enumerate(names):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("L", (28, 28), number).save(tmp_path / name / f"{number}.png")
    data = f"{{kind: image_folder, directory: {tmp_path}, evaluation_fraction: 0}}"
    fields = ["task.classes=3", f"data={data}"]
    balanced = compute_class_weight("balanced", classes=np.unique(names), y=names)
    for weights, wanted in (("balanced", balanced), ("[1, 0.5, 0]", np.array([1, 0.5, 0]))):
        spec = load_spec("mnist_fc", [f"task.class_weights={weights}", *fields])
        given = batch(open_dataset(spec, None, "train"), 0, 0, len(names))
        np.testing.assert_allclose(given["label_weights"], wanted[given["labels"]], rtol=1e-6)
    assert "label_weights" not in load_spec("mnist_fc", fields).graph().inputs
