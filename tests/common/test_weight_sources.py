"""Sources of weights: what each has, what it reads, and what is left unread."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.checkpoint import CheckpointStore, DamagedCheckpointError
from zoo_common.weights import (
    Arrays,
    Choice,
    Entry,
    InitialValues,
    Part,
    Report,
    Row,
    WeightSource,
    as_source,
)
from zoo_spec import load_spec
from zoo_spec.errors import InputError

TABLE = load_spec("mnist_fc", ["model.hidden_sizes=[3]", "model.image_size=[2, 2]"]).graph().parameters()


class Counted(WeightSource):
    """Another source, and the names that were read of it."""

    def __init__(self, source: WeightSource) -> None:
        self.entries = source.entries
        self.read_names: list[str] = []
        self._source = source

    def read(self, name: str) -> np.ndarray:
        self.read_names.append(name)
        return self._source.read(name)


def test_initial_values_are_what_each_parameter_draws_by_seed_and_name():
    source = InitialValues(TABLE, 7)
    assert list(source) == list(TABLE)
    for name, parameter in TABLE.items():
        np.testing.assert_array_equal(source.read(name), parameter.initializer.draw(7, name, parameter.shape))
        assert source.entries[name] == Entry("float32", parameter.shape)


def test_asking_what_a_source_has_reads_nothing():
    source = Counted(InitialValues(TABLE, 0))
    assert len(source) == len(TABLE)
    assert set(source) == set(TABLE) == set(source.keys())
    assert "hidden_0.weight" in source
    assert "elsewhere" not in source
    assert source.read_names == []


def test_each_tensor_of_a_choice_is_read_from_the_first_that_has_it_alone():
    first = Counted(Arrays({"a": np.zeros(2)}))
    second = Counted(Arrays({"a": np.ones(3), "b": np.ones(3)}))
    both = Choice(first, second)
    assert {name: entry.shape for name, entry in both.entries.items()} == {"a": (2,), "b": (3,)}
    np.testing.assert_array_equal(both["a"], [0, 0])
    np.testing.assert_array_equal(both["b"], [1, 1, 1])
    assert (first.read_names, second.read_names) == (["a"], ["b"])


def test_a_part_has_what_it_names_and_nothing_else():
    part = Part(Arrays({"a": np.zeros(2), "b": np.ones(3)}), ["b"])
    assert list(part) == ["b"]
    with pytest.raises(KeyError):
        part.read("a")


def test_what_is_read_of_arrays_is_the_readers_own():
    held = np.zeros(2)
    as_source({"a": held}).read("a")[:] = 1
    np.testing.assert_array_equal(held, [0, 0])
    source = Arrays({"a": held})
    assert as_source(source) is source
    with pytest.raises(InputError, match="a: a str"):
        as_source({"a": "words"})


def test_a_file_that_ends_early_shows_at_the_tensor_that_it_lacks(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(1, {"a": np.zeros(99_999), "b": np.ones(99_999)}, {}, {}, "x")
    found = store.load_weights(1)
    with (found.path / "weights.safetensors").open("rb+") as file:
        file.truncate(file.seek(0, 2) - 8)  # After it was verified.
    np.testing.assert_array_equal(found.weights().read("a"), np.zeros(99_999))
    with pytest.raises(DamagedCheckpointError, match="ends within b"):
        found.weights().read("b")


def test_weights_alone_read_no_byte_of_the_optimizer_and_still_need_it_there(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    weights, moments = {"a": np.arange(4.0)}, {"a/momentum": np.ones(4)}
    store.save(1, weights, moments, {}, "x")
    optimizer = store.load(1).path / "optimizer.safetensors"
    right = optimizer.read_bytes()
    optimizer.write_bytes(bytes(len(right)))
    np.testing.assert_array_equal(store.latest_weights().weights()["a"], weights["a"])
    with pytest.raises(InputError, match=r"optimizer\.safetensors: has the SHA-256"):
        store.latest()
    optimizer.write_bytes(right[:-1])
    with pytest.raises(InputError, match=r"optimizer\.safetensors: has .* bytes, the manifest says"):
        store.latest_weights()
    optimizer.unlink()
    with pytest.raises(InputError, match=r"optimizer\.safetensors: is missing"):
        store.latest_weights()


def test_a_report_has_a_line_a_weight_and_one_for_layers_that_are_alike():
    rows = [Row("left", "bert.pooler.\x1b[31m", (4,), "no such weight here")]
    rows += [Row("new", "classifier.weight", (3, 4), "normal (std 0.02) by seed 0")]
    rows += [Row("taken", f"encoder.layers.{layer}.norm.weight", (4,)) for layer in (0, 1, 2, 10)]
    rows += [Row("taken", f"encoder.layers.{layer}.norm.bias", (4,)) for layer in range(3)]
    report = Report("runs/a (step 3)", tuple(rows), ("Its heads are 2.",))
    assert report.lines() == [
        "weights of runs/a (step 3): 7 taken, 1 new, 1 left",
        "  taken  encoder.layers.0,1,2,10.norm.weight  4 layers  [4]",
        "  taken  encoder.layers.0…2.norm.bias         3 layers  [4]",
        "  new    classifier.weight                              [3, 4]  normal (std 0.02) by seed 0",
        r"  left   bert.pooler.\x1b[31m                           [4]     no such weight here",
        "  Its heads are 2.",
    ]
    assert report.as_json()["new"] == [
        {"name": "classifier.weight", "shape": [3, 4], "note": "normal (std 0.02) by seed 0"}
    ]
