"""A model whose weights are streamed computes, learns and gives what it does with all of them in memory."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import numpy as np
import pytest
import tensorflow as tf

from models import training_model
from zoo_common.backend import Streaming, TrainingModel, find_backend, import_state
from zoo_common.data import batch, open_dataset
from zoo_common.streaming import host
from zoo_common.streaming.slots import Buffer
from zoo_common.training.loop import train_on
from zoo_common.weights import InitialValues
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk
from zoo_spec.training.optimizers import AdamW

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])
DROPS = ("model.dropout=0.1", "model.attention_dropout=0.1")
UNCLIPPED = "training.optimizer.max_gradient_norm=null"
ROWS = 4


class Trial:
    """A small spec, and models of it, streamed or resident."""

    def __init__(self, framework: str, name: str, *overrides: str) -> None:
        self.framework = framework
        self.spec = shrunk(load_spec(name, list(overrides)))
        self.graph = self.spec.graph()
        self.data = open_dataset(self.spec, None, "train")

    def model(self, *, streams: bool) -> TrainingModel:
        execution = "weight_streaming" if streams else "resident"
        update = {"batch_size": ROWS, "execution": execution, "recompute": True}
        self.training = self.spec.training.model_copy(update=update)
        return training_model(self.framework, self.graph, self.training, self.spec.training.precision)

    def batch(self, index: int) -> Mapping[str, np.ndarray]:
        return batch(self.data, 0, index, ROWS)

    def train(self, model: TrainingModel, *steps: int) -> list[tuple[float, float]]:
        """Loss and norm of each step."""
        results = [
            train_on(model, self.graph, self.training, self.batch(index), index).result for index in steps
        ]
        return [(float(each.loss), float(each.gradient_norm)) for each in results]

    @property
    def rounding(self) -> float:
        """TensorFlow sums what it computes in float64 in another order within a whole compiled step."""
        return 1e-13 if self.framework == "tf" and self.spec.training.precision == "float64" else 0.0

    def state(self, model: TrainingModel) -> dict[str, np.ndarray]:
        state = model.export_state()
        return {**dict(state.weights), **dict(state.optimizer)}


def same(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], atol: float = 0.0) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=atol, err_msg=name)


def equal(trial: Trial, ours: object, theirs: object) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=trial.rounding, atol=0)


@each_framework
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("gpt3_tiny", (*DROPS, "training.micro_batch_size=2", "training.precision=float64")),
        ("bert_tiny", (*DROPS, UNCLIPPED, "training.random=portable", "training.micro_batch_size=1")),
        (
            "bert_tiny",
            (
                *("training.precision=bfloat16", "training.optimizer={kind: sgd, momentum: 0.9}"),
                "training.freeze=[encoder.layers.0.attention, embeddings.position]",
                *("training.rate_multipliers={encoder.layers.1: 0.5}", "training.layer_decay=0.9"),
            ),
        ),
        ("vit_tiny", ("training.precision=float64", "training.freeze=[embeddings, encoder.layers.0]")),
    ],
    ids=["two micro-batches", "not clipped", "half width, partly frozen", "frozen from the input on"],
)
def test_a_run_is_that_of_resident_weights_bit_for_bit(framework, name, overrides):
    trial = Trial(framework, name, *overrides)
    whole, streamed = trial.model(streams=False), trial.model(streams=True)
    equal(trial, trial.train(streamed, 0, 1), trial.train(whole, 0, 1))
    same(trial.state(streamed), trial.state(whole), trial.rounding)
    # TensorFlow's resident gradients are taken operation by operation.
    eager = {"torch": 0.0, "tf": 1e-13 if trial.spec.training.precision == "float64" else 1e-2}[framework]
    same(streamed.gradients(trial.batch(2)), whole.gradients(trial.batch(2)), eager)
    same(streamed.evaluate_step(trial.batch(2)), whole.evaluate_step(trial.batch(2)), trial.rounding)


@each_framework
def test_what_several_layers_read_adds_up_in_another_grouping_alone(framework):
    trial = Trial(framework, "t5_tiny", "training.precision=float64", "training.micro_batch_size=2")
    whole, streamed = trial.model(streams=False), trial.model(streams=True)
    np.testing.assert_allclose(trial.train(streamed, 0, 1), trial.train(whole, 0, 1), rtol=1e-12)
    same(trial.state(streamed), trial.state(whole), atol=1e-12)


@each_framework
@pytest.mark.parametrize(("clipped", "expected"), [(True, 40), (False, 28)])
def test_a_step_moves_as_many_bytes_a_parameter_however_many_micro_batches_there_are(
    framework, clipped, expected
):
    for micro in (2, 4):
        overrides = () if clipped else (UNCLIPPED,)
        trial = Trial(
            framework, "gpt3_tiny", f"training.micro_batch_size={micro}", "model.num_layers=3", *overrides
        )
        model = trial.model(streams=True)
        trial.train(model, 0, 1)  # The first finds out in which order units come.
        host = model.host
        before = host.bytes_read + host.bytes_written
        trial.train(model, 2)
        moved = host.bytes_read + host.bytes_written - before
        own = sum(unit.size for unit in host.units.streamed)
        # Of resident weights the moments alone are in files.
        rest = sum(each.size for each in host.units.resident.values())
        # The reader may be one unit further at the end than at the beginning.
        assert abs(moved - expected * own - 16 * rest) <= 8 * host.units.largest.size


@each_framework
def test_parts_of_a_layer_give_what_the_layer_does(framework, monkeypatch):
    trial = Trial(framework, "gpt3_tiny", *DROPS, "training.micro_batch_size=2", "training.precision=float64")
    whole = trial.model(streams=False)
    layer = max(whole.graph.parameters().items(), key=lambda item: item[1].size if "layers" in item[0] else 0)
    monkeypatch.setattr(f"zoo_{framework}.streaming.unit_values", lambda *args: layer[1].size + 100)
    streamed = trial.model(streams=True)
    assert all(unit.place.block.role != "layer" for unit in streamed.host.units.streamed)
    equal(trial, trial.train(streamed, 0, 1), trial.train(whole, 0, 1))
    same(trial.state(streamed), trial.state(whole), trial.rounding)


@pytest.mark.parametrize(
    ("name", "overrides", "is_parted"),
    [
        ("gpt3_tiny", ("training.micro_batch_size=2",), False),
        ("gpt3_tiny", ("training.micro_batch_size=2",), True),
        ("bert_tiny", ("training.random=portable",), False),
    ],
    ids=["whole layers", "layers in parts", "portable dropout"],
)
def test_what_tensorflow_rewrites_in_a_step_it_rewrites_in_a_unit_too(
    name, overrides, is_parted, monkeypatch
):
    """Its rewriter multiplies in another order what no gradient needs: forward, but not on the way back."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    trial = Trial("tf", name, *DROPS, *overrides)
    whole = trial.model(streams=False)
    if is_parted:
        attention = [
            each.size for name, each in whole.graph.parameters().items() if "layers.0.attention." in name
        ]
        monkeypatch.setattr("zoo_tf.streaming.unit_values", lambda *args: sum(attention))
    streamed = trial.model(streams=True)
    assert any(unit.is_whole for unit in streamed.host.units.streamed) is not is_parted
    assert trial.train(streamed, 0, 1, 2) == trial.train(whole, 0, 1, 2)
    same(trial.state(streamed), trial.state(whole))


@each_framework
def test_a_run_goes_on_streamed_and_resident_again(framework):
    trial = Trial(framework, "bert_tiny", *DROPS, "training.precision=float64")
    whole = trial.model(streams=False)
    expected = trial.train(whole, 0, 1, 2)
    found, model = [], trial.model(streams=False)
    for step, streams in enumerate((True, False, True)):
        following = trial.model(streams=streams)
        import_state(following, model.export_state())
        model = following
        found += trial.train(model, step)
    equal(trial, found, expected)
    same(trial.state(model), trial.state(whole), trial.rounding)


@each_framework
def test_a_step_that_failed_changes_no_weights_of_the_next(framework, monkeypatch):
    """One micro-batch of three fails, between units that are in memory for all of them."""
    trial = Trial(framework, "bert_tiny", *DROPS, "training.micro_batch_size=1")
    model = trial.model(streams=True)
    trial.train(model, 0)
    before = trial.state(model)
    if framework == "tf":
        from zoo_tf.streaming_units import Way

        place, method = Way, "forward"
    else:
        place, method = model.passes, "_run"
    losses, seen = getattr(place, method), []

    def failing(*args):
        seen.append(1)
        if len(seen) == 2:
            raise OSError("no more")
        return losses(*args)

    monkeypatch.setattr(place, method, failing)
    with pytest.raises(OSError, match="no more"):
        trial.train(model, 1)
    monkeypatch.undo()
    whole = trial.model(streams=False)
    trial.train(whole, 0)
    assert trial.train(model, 1) == trial.train(whole, 1)
    same(trial.state(model), trial.state(whole))
    assert any(not np.array_equal(value, before[name]) for name, value in trial.state(model).items())


@each_framework
def test_whoever_computes_alone_reads_a_unit_at_a_time_too(framework, tmp_path):
    trial = Trial(framework, "gpt3_tiny", "training.precision=float64")
    weights = InitialValues(trial.graph.parameters(), 3)
    backend = find_backend(framework)()
    whole = backend.for_inference(trial.graph, weights, dtype="float64", device="cpu")
    streamed = backend.for_inference(
        trial.graph, weights, dtype="float64", device="cpu", streaming=Streaming()
    )
    for model in (whole, streamed):
        model.set_weights(InitialValues(trial.graph.parameters(), 4))
    given = trial.batch(0)
    same(streamed.predict_step(given), whole.predict_step(given))
    same(streamed.call(given), whole.call(given))


@each_framework
def test_every_block_is_seen_to_compute_what_it_does_with_resident_weights(framework):
    trial = Trial(framework, "bert_tiny", *DROPS, "training.precision=float64")
    calls = [
        trial.model(streams=streams).block_calls(trial.batch(0), training=True) for streams in (True, False)
    ]
    assert [call.path for call in calls[0]] == [call.path for call in calls[1]]
    for ours, theirs in zip(*calls, strict=True):
        same(ours.gave, theirs.gave)


@each_framework
def test_layers_that_two_nodes_apply_stay_in_memory_and_others_are_streamed(framework):
    layer = {
        "kind": "post_norm_layer",
        "attention": {"kind": "attention", "num_heads": 2, "dropout": 0.2},
        "feed_forward": {"kind": "feed_forward", "size": 8, "activation": "gelu_erf"},
        "norm": {"kind": "layer_norm", "epsilon": 1e-5},
        "dropout": 0.2,
    }
    spec = ExperimentSpec.model_validate(
        {
            "model": {
                "kind": "graph",
                "inputs": {
                    "x": {"shape": ("batch", 5, 6)},
                    "labels": {"shape": ("batch", 5), "dtype": "int32", "label": True},
                },
                "nodes": {
                    "once": {"block": layer, "inputs": "x"},
                    "between": {"block": layer, "inputs": "once"},
                    "again": {"like": "once", "inputs": "between"},
                    "classes": {"block": {"kind": "dense", "size": 3}, "inputs": "again"},
                    "class_loss": {
                        "block": {"kind": "softmax_cross_entropy"},
                        "inputs": ("classes", "labels"),
                    },
                },
                "outputs": {"logits": "classes", "loss": "class_loss"},
            },
            "task": {"kind": "representation"},
            "data": {"kind": "generated"},
            "training": {"precision": "float64", "micro_batch_size": 2, "batch_size": ROWS},
        }
    )
    trial = Trial(framework, "bert_tiny")
    trial.spec, trial.graph, trial.data = spec, spec.graph(), open_dataset(spec, None, "train")
    whole, streamed = trial.model(streams=False), trial.model(streams=True)
    assert [unit.path for unit in streamed.host.units.streamed] == ["between"]
    equal(trial, trial.train(streamed, 0, 1), trial.train(whole, 0, 1))
    same(trial.state(streamed), trial.state(whole), trial.rounding)


def test_tensorflow_updates_by_ranges_of_values_to_the_bits_of_the_whole(monkeypatch):
    streaming = importlib.import_module("zoo_tf.streaming_optimizer")
    optimizer = streaming.StreamedOptimizer(AdamW(), {"table": 1.0}, {"table": "embedding"})
    optimizer.begin(1e-2)
    optimizer.clip(2.0)
    size = 3 * streaming.SMALL + 64
    drawn = np.random.default_rng(0).normal(size=(4, size)).astype(np.float32)
    drawn[2] **= 2  # A second moment.
    gradient = tf.constant(drawn[3].reshape(-1, 64))
    found = []
    for at_once in (size, streaming.SMALL):
        monkeypatch.setattr(streaming, "AT_ONCE", at_once)
        places = [np.array(values).reshape(-1, 64) for values in drawn[:3]]
        optimizer.update("table", places, gradient, of=size)
        found.append(places)
    assert not np.array_equal(found[0], drawn[:3].reshape(3, -1, 64))
    assert np.array_equal(*found)
    places = [np.array(values).reshape(-1, 64) for values in drawn[:3]]
    for given in (gradient, gradient.numpy()):
        new = optimizer.updated({"table": places}, {"table": given})
        assert np.array_equal(new["table"], found[0])
    assert np.array_equal(places, drawn[:3].reshape(3, -1, 64))


@pytest.mark.parametrize("limit", [None, 4 << 30], ids=["no limit", "a limit"])
def test_tensorflows_new_values_stay_where_they_were_computed_until_they_are_written_unless_memory_is_limited(
    limit, monkeypatch
):
    streaming = importlib.import_module("zoo_tf.streaming")
    asked, copies = [], []
    give_back, copy = streaming.give_back_what_is_free, np.copyto
    monkeypatch.setattr(streaming, "give_back_what_is_free", lambda: asked.append(give_back()))
    trial = Trial("tf", "gpt3_tiny", *([] if limit is None else [f"training.memory_limit={limit}"]))
    whole, streamed = trial.model(streams=False), trial.model(streams=True)
    monkeypatch.setattr(np, "copyto", lambda place, value: copies.append(copy(place, value)))
    losses = trial.train(streamed, 0, 1)
    monkeypatch.undo()
    assert losses == trial.train(whole, 0, 1)
    same(trial.state(streamed), trial.state(whole))
    # A weight and two moments each, and the gradient where it is spilled.
    in_units = sum(len(unit.parameters) for unit in streamed.units.streamed)
    resident = len(streamed.units.resident)
    assert len(copies) == 2 * 3 * resident + (0 if limit is None else 2 * 4 * in_units)
    assert len(asked) == (0 if limit is None else 4)


@each_framework
def test_an_optimizer_without_moments_streams(framework):
    trial = Trial(framework, "gpt3_tiny", "training.optimizer={kind: sgd, momentum: 0.0}")
    whole, streamed = trial.model(streams=False), trial.model(streams=True)
    assert trial.train(streamed, 0, 1) == trial.train(whole, 0, 1)
    same(trial.state(streamed), trial.state(whole))


def test_tensorflows_updates_are_traced_for_each_dtype_and_set_of_weights():
    """All models of a process share them, so the one after the other may be of another."""
    streaming = importlib.import_module("zoo_tf.streaming_optimizer")
    drawn = np.random.default_rng(0).normal(size=(4, 64)) ** 2
    found = []
    for dtype in ("float32", "float64"):
        optimizer = streaming.StreamedOptimizer(AdamW(), {"a": 1.0, "b": 1.0}, {"a": "bias", "b": "bias"})
        optimizer.begin(1e-2)
        optimizer.clip(2.0)
        places, (*old, gradient) = [*drawn[:3].astype(dtype)], drawn.astype(dtype)
        optimizer.update("a", places, tf.constant(gradient), of=64)
        assert not np.array_equal(places, drawn[:3].astype(dtype))
        found.append(places)
        for names in ("a", "ab"):
            new = optimizer.updated(dict.fromkeys(names, old), dict.fromkeys(names, gradient))
            assert list(new) == list(names)
            assert all(np.allclose(each, places, rtol=1e-6, atol=0) for each in new.values())
    assert np.allclose(*found, rtol=1e-5, atol=0)


@each_framework
@pytest.mark.parametrize("limit", [None, 4 << 30], ids=["no limit", "a limit"])
def test_slots_give_memory_back_where_it_is_limited(framework, limit, monkeypatch):
    asked = []

    class Watched(Buffer):
        def __init__(self, number: int, size: int, *, gives_back: bool) -> None:
            asked.append(gives_back)
            super().__init__(number, size, gives_back=gives_back)

    monkeypatch.setattr(host, "Buffer", Watched)
    trial = Trial(framework, "gpt3_tiny", *([] if limit is None else [f"training.memory_limit={limit}"]))
    trial.model(streams=True)
    assert set(asked) == {limit is not None}


@pytest.mark.parametrize(
    ("after", "wanted"),
    [(100, ["0", "1", "free", "1", "0"]), (1, ["0", "free", "1", "free", "1", "free", "0"])],
)
def test_torch_gives_free_memory_back_at_the_turn_and_as_a_deep_stack_goes_by(after, wanted, monkeypatch):
    units = importlib.import_module("zoo_torch.streaming_units")
    monkeypatch.setattr(units, "_GIVES_BACK_AFTER", after)
    seen, read = [], host.Host.weights
    monkeypatch.setattr(units, "give_back_what_is_free", lambda: seen.append("free"))
    monkeypatch.setattr(
        host.Host, "weights", lambda self, unit: seen.append(unit.path[-1]) or read(self, unit)
    )
    trial = Trial("torch", "gpt3_tiny", "training.micro_batch_size=2")
    trial.train(trial.model(streams=True), 0)
    assert seen == wanted
