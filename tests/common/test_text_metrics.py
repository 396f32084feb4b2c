"""Metrics that ask the records of an evaluation what is right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from zoo_common.data.base import DataDescription, Dataset
from zoo_common.metrics.texts import RowNumbers, open_text_metric
from zoo_common.training.evaluation import evaluate
from zoo_spec.errors import EnvironmentFault
from zoo_spec.tasks.metrics import TextMetric


class Letters(TextMetric):
    kind = "letters"

    @property
    def names(self):
        return ("right", "seen")


class Counted:
    """How many rows say their example's number, of all that are examples."""

    def __init__(self, metric, examples):
        self.metric, self._numbers = metric, RowNumbers(examples)
        self._right, self._seen = 0, 0

    def add(self, batch, outputs):
        for row, number in enumerate(self._numbers.of(len(outputs["logits"]))):
            self._right += int(outputs["logits"][row] == number)
            self._seen += 1

    @property
    def values(self):
        return {"right": self._right, "seen": self._seen}


class Numbers(Dataset):
    def __len__(self):
        return 5

    def example(self, epoch, index):
        return {"x": np.array(index, np.int32), "weights": np.array(1, np.float32)}

    def description(self):
        return DataDescription("numbers", 5, 0, 8)


class Echo:
    """Its logits are its input; its loss is 0."""

    def evaluate_step(self, batch):
        return {"logits": batch["x"], "loss_numerator": 0.0, "loss_denominator": len(batch["x"])}


@pytest.fixture(autouse=True)
def counts_letters(monkeypatch):
    monkeypatch.setattr("zoo_common.training.evaluation.open_text_metric", Counted)
    monkeypatch.setattr("zoo_common.training.evaluation.checked", lambda batches, *_: batches)


def found(gives):
    graph = SimpleNamespace(
        name="echo",
        inputs={},
        outputs={"logits": None},
        loss_parts=[SimpleNamespace(name="loss", weights="weights", factor=1.0, labels="x")],
    )
    spec = SimpleNamespace(
        name="echo",
        task=SimpleNamespace(metrics=lambda: (Letters("letters", "logits"),)),
        data=SimpleNamespace(is_of_records=gives is not None, batching=SimpleNamespace(varies=False)),
    )
    return evaluate(Echo(), spec, graph, Numbers(), 2)


def test_a_text_metric_counts_each_example_once_and_no_copy_that_fills_up_a_batch():
    assert found(gives=object) == {"loss": 0, "right": 5, "seen": 5}


def test_examples_that_come_from_no_records_have_no_text_metric():
    assert found(gives=None) == {"loss": 0}


def test_a_text_metric_that_nobody_registered_is_a_fault_that_says_where():
    class Unknown(TextMetric):
        kind = "unknown"

    with pytest.raises(EnvironmentFault, match=r"of kind 'unknown'.*zoo_common.metrics.open_text_metric"):
        open_text_metric(Unknown("u", "logits"), Numbers())
