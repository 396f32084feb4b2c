"""Generated shapes, and the metrics that segmentation is judged by."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.data import open_dataset
from zoo_common.metrics import open_metric
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.tasks.metrics import BinaryIou, MeanDice, MeanIou


def test_shapes_are_labelled_where_they_stand_and_every_epoch_has_its_own():
    data = open_dataset(load_spec("unet_tiny", ["data.noise=0.0"]), None, "train")
    rows = [data.example(0, index) for index in range(60)]
    for row in rows:
        np.testing.assert_array_equal(row["image"][..., 0] > 0, row["labels"] > 0)
        assert row["image"].shape == (32, 32, 1)
        assert row["label_weights"].min() == 1
    assert set(np.unique([row["labels"] for row in rows])) == {0, 1, 2, 3}
    same, next_epoch = data.example(0, 3), data.example(1, 3)
    assert all(np.array_equal(same[name], rows[3][name]) for name in same)
    assert not np.array_equal(next_epoch["labels"], same["labels"])


def test_binary_labels_are_0_and_1():
    data = open_dataset(load_spec("unet_dagm"), None, "eval")
    assert set(np.unique([data.example(0, index)["labels"] for index in range(4)])) == {0, 1}


def test_a_model_that_labels_whole_images_is_refused():
    with pytest.raises(InputError, match="labels pixels"):
        open_dataset(load_spec("vit_tiny", ["data.kind=generated_shapes"]), None, "train")


def test_overlaps_are_counted_over_all_batches_and_by_weight():
    """By hand: of class 0 two of three, of class 1 one of two; class 2 occurs nowhere."""
    logits = np.eye(3)[[[0, 0, 1], [1, 0, 2]]]
    labels, weights = np.array([[0, 0, 1], [0, 1, 1]]), np.array([[1.0, 1, 1], [1, 0, 0]])
    expected = {MeanIou: (2 / 3 + 1 / 2) / 2, MeanDice: (4 / 5 + 2 / 3) / 2}
    for kind, value in expected.items():
        metric = open_metric(kind("m", "logits", "labels", "weights"))
        assert metric.value == 0
        for row in range(2):
            batch = {"labels": labels[row : row + 1], "weights": weights[row : row + 1]}
            metric.add(batch, {"logits": logits[row : row + 1]})
        assert metric.value == pytest.approx(value)


def test_binary_overlap_is_of_what_is_1():
    metric = open_metric(BinaryIou("iou", "logits", "labels"))
    metric.add({"labels": np.array([1, 1, 0, 0])}, {"logits": np.array([2.0, -1, 3, -2])})
    assert metric.value == pytest.approx(1 / 3)
