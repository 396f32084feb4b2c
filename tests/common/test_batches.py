"""From examples to batches: any step, any number of workers, every example once an epoch."""

import threading

import numpy as np
import pytest

from zoo_common.data.ahead import batches, worth
from zoo_common.data.base import DataDescription, Dataset, Padding, batch, evaluation_batches, snug


class Numbers(Dataset):
    """Example ``index`` of epoch ``epoch`` holds both."""

    def __init__(self, count=10, weighted=True, fail_at=None):
        self.count, self.weighted, self.fail_at = count, weighted, fail_at

    def __len__(self):
        return self.count

    def example(self, epoch, index):
        if (epoch, index) == self.fail_at:
            raise ValueError("broken example")
        found = {"input_ids": np.array([epoch, index], np.int32), "labels": np.asarray(index, np.int32)}
        return {**found, "label_weights": np.asarray(1, np.float32)} if self.weighted else found

    def description(self):
        return DataDescription("numbers", self.count, 0, 0)


def _rows(found):
    return [tuple(row) for each in found for row in each["input_ids"].tolist()]


def test_every_example_comes_once_an_epoch_in_another_order_each_time():
    rows = _rows(batch(Numbers(), 0, step, 4) for step in range(5))
    first, second = rows[:10], rows[10:]
    assert sorted(first) == [(0, index) for index in range(10)]
    assert sorted(second) == [(1, index) for index in range(10)]
    assert [index for _, index in first] != [index for _, index in second]


def test_the_seed_decides_the_order():
    orders = [_rows(batch(Numbers(100), seed, step, 10) for step in range(10)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("workers", [1, 3])
def test_entering_in_the_middle_gives_what_the_whole_run_gives(workers):
    whole = _rows(batches(Numbers(), 7, 3, 0, 12, workers=workers))
    assert whole == _rows(batch(Numbers(), 7, step, 3) for step in range(12))
    assert _rows(batches(Numbers(), 7, 3, 5, 12, workers=workers)) == whole[15:]
    assert _rows(batches(Numbers(), 7, 3, 5, 5)) == []


def test_a_batch_may_be_larger_than_an_epoch():
    assert len(_rows([batch(Numbers(3), 0, 0, 8)])) == 8


def test_the_threads_end_when_the_generator_is_closed_early():
    before = threading.active_count()
    found = batches(Numbers(), 0, 2, 0, 1000, workers=3)
    next(found)
    assert threading.active_count() > before
    found.close()
    assert threading.active_count() == before


def test_an_error_in_a_worker_is_raised_at_its_step():
    order = _rows(batch(Numbers(), 0, step, 1) for step in range(10))
    found = batches(Numbers(fail_at=order[6]), 0, 1, 0, 10)
    assert _rows(next(found) for _ in range(6)) == order[:6]
    with pytest.raises(ValueError, match="broken example"):
        next(found)


def test_evaluation_sees_every_example_once_and_fills_up_with_weight_zero():
    found = list(evaluation_batches(Numbers(), 4, {"label_weights"}))
    assert [len(each["labels"]) for each in found] == [4, 4, 4]
    weights = np.concatenate([each["label_weights"] for each in found])
    labels = np.concatenate([each["labels"] for each in found])
    assert labels[weights == 1].tolist() == list(range(10))
    assert weights.sum() == 10


def test_a_batch_is_as_long_as_its_longest_row_whatever_inputs_a_model_lacks():
    padding = Padding(dict.fromkeys(("input_ids", "token_type_ids"), "sequence"), {"sequence": 9})
    rows = [{"input_ids": np.ones(length, np.int32)} for length in (3, 5)]
    assert snug(rows, padding, {}).sizes == {"sequence": 5}
    assert snug(rows, padding, {"sequence": 7}).sizes == {"sequence": 7}


def test_labels_without_weights_make_the_last_batch_smaller():
    found = list(evaluation_batches(Numbers(weighted=False), 4))
    assert [len(each["labels"]) for each in found] == [4, 4, 2]


@pytest.mark.parametrize(
    ("waited", "elapsed", "left", "cores", "wanted"),
    [
        (
            10,
            20,
            1000,
            8,
            2,
        ),  # As long for a batch as for a step: two make them as fast as they are learned from.
        (90, 100, 1000, 16, 8),
        (90, 100, 1000, 4, 3),
        (90, 100, 1000, 1, 0),
        (3, 20, 1000, 8, 0),  # The rest of the time would be no shorter.
        (10, 20, 50, 8, 0),  # The run is over before they are ready.
        (20, 20, 1000, 8, 7),
    ],
)
def test_processes_pay_where_much_is_waited_for_and_much_is_left(waited, elapsed, left, cores, wanted):
    assert worth(waited, elapsed, 32, left, cores) == wanted
