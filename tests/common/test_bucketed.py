"""Batches of examples of similar length: which go together, how far they are filled up, and which step has which."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from zoo_common.data import batch
from zoo_common.data.ahead import batches
from zoo_common.data.base import DataDescription, Dataset, Padding
from zoo_common.data.batching import batched
from zoo_common.data.batching.bounds import best_bounds, histogram
from zoo_common.data.batching.plan import Plan
from zoo_common.data.mixture import mixed
from zoo_common.data.reader import Wanted
from zoo_spec import load_spec
from zoo_spec.data import Bucketed
from zoo_spec.errors import InputError

PAD = 7


class Words(Dataset):
    """Of so many examples of given lengths: ``ids`` says which one it is and as of which epoch."""

    def __init__(self, lengths, name=0, targets=None):
        self.sizes, self.name = np.asarray(lengths, np.int32), name
        self.targets = self.sizes if targets is None else np.asarray(targets, np.int32)

    def __len__(self):
        return len(self.sizes)

    def example(self, epoch, index):
        who = [self.name, epoch, index]
        return {
            "who": np.asarray(who, np.int32),
            "ids": np.full(self.sizes[index], index, np.int32),
            "targets": np.ones(self.targets[index], np.int32),
        }

    def padding(self):
        return Padding(
            {"ids": "sequence", "targets": "target_sequence"},
            {"sequence": int(self.sizes.max()) + 5, "target_sequence": 50},
            {"ids": PAD},
        )

    def lengths(self):
        return {"sequence": self.sizes, "target_sequence": self.targets}

    def description(self):
        return DataDescription("words", len(self), 0, 0)


class Images(Words):
    """Of one size."""

    def lengths(self):
        return {}


def bucketed(examples, **fields):
    spec = load_spec("bert_tiny")
    return batched(Bucketed(**fields), examples, Wanted(spec, spec.graph(), "train"))


LENGTHS = np.random.default_rng(3).integers(1, 41, 101)


def _filled(counts, bounds):
    lengths = np.flatnonzero(counts)
    return int((np.asarray(bounds)[np.searchsorted(bounds, lengths)] * counts[lengths]).sum())


def test_no_other_bounds_fill_up_less():
    random = np.random.default_rng(0)
    for _ in range(100):
        counts = np.zeros(30, np.int64)
        lengths = np.sort(random.choice(np.arange(1, 30), random.integers(1, 9), replace=False))
        counts[lengths] = random.integers(1, 50, len(lengths))
        most = int(random.integers(1, 6))
        found = best_bounds(counts, most)
        every = [[*inner, lengths[-1]] for k in range(most) for inner in combinations(lengths[:-1], k)]
        assert len(found) <= most
        assert list(found) == sorted(set(found))
        assert _filled(counts, found) == min(_filled(counts, each) for each in every)


def test_a_histogram_counts_each_length():
    assert histogram(np.asarray([3, 1, 3], np.int32)).tolist() == [0, 1, 0, 2]
    assert best_bounds(histogram(np.zeros(0, np.int32)), 3) == ()


def test_any_step_is_found_as_by_counting_from_the_first():
    counts, rows = (7, 3, 20), (4, 5, 6)
    plan, step, done = Plan(counts, rows), 0, [0, 0, 0]
    for epoch in range(30):
        own = [(epoch + 1) * n // r - epoch * n // r for n, r in zip(counts, rows, strict=True)]
        assert plan.steps(epoch) == step
        found = [plan.at(9, each) for each in range(step, step + sum(own))]
        # Each batch of the epoch once, in an order that is drawn.
        assert sorted(found) == [
            (bucket, done[bucket] + place) for bucket, count in enumerate(own) for place in range(count)
        ]
        done = [before + more for before, more in zip(done, own, strict=True)]
        step += sum(own)
    assert [plan.at(1, each) for each in range(20)] != [plan.at(2, each) for each in range(20)]


@pytest.mark.parametrize(
    "fields", [{"bounds": (10, 25, 40)}, {"buckets": 5}, {"tokens": 120}, {"buckets": 1}]
)
def test_every_example_comes_once_in_each_epoch_of_its_bucket(fields):
    examples = bucketed(Words(LENGTHS), **fields)
    seen = Counter()
    for step in range(400):
        seen.update(map(tuple, batch(examples, 0, step, 4)["who"].tolist()))
    assert set(seen.values()) == {1}
    for epoch in range(5):
        assert {index for _, own, index in seen if own == epoch} == set(range(len(LENGTHS)))


def test_a_batch_is_filled_up_to_its_buckets_bound_and_what_goes_beside_to_the_buckets_longest():
    targets = LENGTHS // 3 + 1
    examples = bucketed(Words(LENGTHS, targets=targets), bounds=(10, 25, 60))
    shapes = set()
    for step in range(60):
        found = batch(examples, 0, step, 4)
        indices = found["who"][:, 2]
        bound = found["ids"].shape[1]
        own = ({10: 0, 25: 10, 60: 25}[bound] < LENGTHS) & (bound >= LENGTHS)
        assert own[indices].all()
        assert found["targets"].shape == (4, targets[own].max())
        for index, row in zip(indices, found["ids"], strict=True):
            assert row.tolist() == [index] * LENGTHS[index] + [PAD] * (bound - LENGTHS[index])
        shapes.add(bound)
    assert shapes == {10, 25, 60}


def test_a_budget_of_tokens_gives_each_bucket_as_many_rows_as_fit():
    examples = bucketed(Words(LENGTHS), bounds=(10, 25, 40), tokens=120)
    shapes = {batch(examples, 0, step, 4)["ids"].shape for step in range(60)}
    assert shapes == {(12, 10), (4, 25), (3, 40)}


def test_an_epoch_takes_as_many_steps_as_its_batches():
    examples = bucketed(Words(LENGTHS), bounds=(10, 25, 40), tokens=120)
    per_bucket = np.histogram(LENGTHS, [1, 11, 26, 41])[0]
    assert examples.epoch_steps(4) == (per_bucket // [12, 4, 3]).sum()
    assert Words(LENGTHS).epoch_steps(4) == 26


def test_entering_anywhere_gives_what_the_whole_run_gives():
    def made():
        return bucketed(Words(LENGTHS), buckets=4, tokens=100)

    whole = list(batches(made(), 5, 4, 0, 40))
    for start in (1, 17, 39):
        for found, expected in zip(batches(made(), 5, 4, start, 40), whole[start:], strict=True):
            for name in expected:
                np.testing.assert_array_equal(found[name], expected[name])


def test_of_a_mixture_each_source_is_seen_by_its_weight_and_by_length():
    one, two = np.arange(1, 31), np.arange(1, 11) * 3
    mixture = mixed([Words(one, 0), Words(two, 1)], [1, 1], seed=0)
    examples = bucketed(mixture, bounds=(15, 30))
    seen = Counter()
    for step in range(3 * examples.epoch_steps(4)):
        found = batch(examples, 0, step, 4)
        for (name, _, index), row in zip(found["who"].tolist(), found["ids"], strict=True):
            length = (one, two)[name][index]
            assert len(row) == (15 if length <= 15 else 30)
            seen[name, index] += 1
    # Of 30 and 10 examples an epoch has 20 of each.
    assert abs(seen.total() - 120) <= 8
    assert all(1 <= seen[0, index] <= 3 for index in range(30))
    assert all(5 <= seen[1, index] <= 7 for index in range(10))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"bounds": (10, 20)},
            r"2 of 4 examples have more than 20 tokens \(data.batching.bounds\), the longest 40; raise it, .* to "
            "drop, which leaves them out, or to cut",
        ),
        (
            {"tokens": 30},
            r"1 of 4 examples have more than 30 tokens \(data.batching.tokens\), the longest 40; raise it",
        ),
        (
            {"tokens": 30, "longer": "cut"},
            r"1 of 4 examples have more than 30 .* the data cannot cut them; raise it, .* to drop",
        ),
        (
            {"bounds": (4,), "longer": "drop"},
            r"4 of 4 examples have more than 4 .*, and none is left; raise it",
        ),
        (
            {"bounds": (10, 20, 25, 40)},
            r"no example has 21 to 25 tokens, so that the bucket of 25 is empty \(the shortest has 5, the longest "
            r"40\); leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_number_and_the_remedy(fields, message):
    with pytest.raises(InputError, match=message):
        bucketed(Words([5, 15, 28, 40]), **fields)


def test_examples_of_one_size_are_refused_by_name():
    with pytest.raises(InputError, match=r"'text' has examples of one size, .* set data.batching to padded"):
        bucketed(Images([3, 3]))


def test_what_is_longer_is_left_out_and_counted(caplog):
    examples = bucketed(Words([5, 15, 28, 40]), tokens=30, buckets=2, longer="drop")
    assert "1 of 4 examples have more than 30 tokens (data.batching.tokens), the longest 40" in caplog.text
    assert len(examples) == 3
    seen = {int(index) for step in range(20) for index in batch(examples, 0, step, 4)["who"][:, 2]}
    assert seen == {0, 1, 2}
