"""What each class counts in the loss of a classification."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from torch import nn, tensor

from models import training_model
from zoo_common.data import batch, open_dataset
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
