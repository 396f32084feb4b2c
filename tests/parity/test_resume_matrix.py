"""Whoever goes on with a run, wherever it stopped, learns next from what the run that never stopped learns from."""

from collections import defaultdict
from itertools import product
from queue import SimpleQueue

import numpy as np
import pytest

from zoo_common.backend import find_backend
from zoo_common.data import Recipe, ahead, batches_by, open_dataset
from zoo_common.data.batching import batched
from zoo_common.data.processes import Processes
from zoo_common.training import loop
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.data import Batching

WORKERS = (1, 2, 3)
WAYS = tuple(product(("torch", "tf"), WORKERS))
BATCHINGS = sorted(
    each.model_fields["kind"].default for each in batched.registry if each not in (object, Batching)
)


def spec_of(batching):
    small = ["model.hidden_size=8", "model.num_heads=2", "model.intermediate_size=8", "model.num_layers=1"]
    rest = [
        "training.batch_size=3",
        "training.steps=100",
        "training.log_every=100",
        f"data.batching={batching}",
    ]
    return load_spec("bert_tiny_classification", [*small, *rest, "model.vocab_size=400"])


def all_pairs(ways):
    """A walk that goes once from each to each, itself too (Hierholzer's)."""
    left = {each: list(ways) for each in ways}
    path, walk = [ways[0]], []
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            walk.append(path.pop())
    return walk[::-1]


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


@pytest.fixture
def kept(monkeypatch):
    """Processes that are started once, and not for each part of a run: as many of them are taken as are asked for."""
    made = []

    class Taken(Processes):
        def __init__(self, recipe, examples, count):
            if not made:
                made.append(Processes(recipe, examples, max(WORKERS)))
            self.at_once, self._free = count, SimpleQueue()
            for worker in made[0]._workers[:count]:
                self._free.put(worker)

        def close(self):
            pass

    monkeypatch.setattr(ahead, "Processes", Taken)
    yield
    for each in made:
        each.close()


@pytest.mark.parametrize("batching", BATCHINGS)
def test_any_number_of_workers_goes_on_where_any_other_stopped(tmp_path, kept, batching):
    spec = spec_of(batching)
    recipe, dataset = Recipe(spec, tmp_path), open_dataset(spec, tmp_path, "train")
    wanted = [recipe.batch(dataset, step) for step in range(14)]
    for (before, after), stop in product(product(WORKERS, WORKERS), (1, 4, 9)):
        found = list(batches_by(before, recipe, dataset, 0, stop))
        found += batches_by(after, recipe, dataset, stop, 14)
        assert all(map(same, found, wanted)), (before, after, stop)
        assert len(found) == len(wanted)


def test_either_framework_with_any_number_of_workers_goes_on_where_any_other_stopped(
    tmp_path, kept, monkeypatch
):
    fed, learn = [], loop.train_on

    def noting(model, graph, training, batch, index, *more):
        fed.append((index, {name: value.copy() for name, value in batch.items()}))
        return learn(model, graph, training, batch, index, *more)

    monkeypatch.setattr(loop, "train_on", noting)
    spec = spec_of("padded")
    runs = {
        (framework, workers): spec_run(
            find_backend(framework)(), spec, tmp_path / "run", device="cpu", quiet=True, workers=workers
        )
        for framework, workers in WAYS
    }
    stops = defaultdict(list)
    walk = all_pairs(WAYS)
    for number, way in enumerate(walk):
        if number:
            stops[walk[number - 1], way].append(len(fed))
        runs[way].train(steps=1 + number % 3)
    assert set(stops) == set(product(WAYS, WAYS))
    dataset = open_dataset(spec, tmp_path / "run", "train")
    recipe = Recipe(spec, tmp_path / "run")
    for step, (index, batch) in enumerate(fed):
        assert index == step
        assert same(batch, recipe.batch(dataset, step)), step
    names = [f"{framework} {workers}" for framework, workers in WAYS]
    print(
        "stopped after step, by who went on\n"
        + "from \\ to".ljust(10)
        + "".join(each.rjust(9) for each in names)
    )
    for name, before in zip(names, WAYS, strict=True):
        print(name.ljust(10) + "".join(str(stops[before, after][0]).rjust(9) for after in WAYS))
