"""Batches of a bucket teach, and score, what the same examples do when filled up to the longest there may be."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from drawn import some
from models import training_model
from small_models import probe_weights
from zoo_common.backend import find_backend
from zoo_common.data.base import Dataset, Padding, batch, stack
from zoo_common.data.batching import batched
from zoo_common.data.generated import GeneratedExamples, id_limits
from zoo_common.data.reader import Wanted
from zoo_common.training.denominators import denominators
from zoo_common.training.evaluation import evaluate
from zoo_common.training.loop import train_on
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.data import Bucketed
from zoo_spec.graph import Graph
from zoo_spec.shrink import shrunk
from zoo_spec.training.optimizers import Sgd

LIMIT = 1e-10  # of the tensor's largest magnitude
LONGEST = {
    "sequence": 24,
    "target_sequence": 20,
    "predictions": 5,
    "sentences": 4,
    "samples": 1600,
    "labels": 4,
}
SHARES = (0.35, 0.4, 0.5, 0.6, 0.75, 0.95)
"""Of the longest, so long are examples, in turn."""
ROWS = 3
MASKS = ("example_ids", "decoder_example_ids", "sample_ids")
OF_PACKED = ("positions", "decoder_positions", "pooled_positions")
NAMES = (
    "bert_tiny",
    "bert_tiny_classification",
    "bert_tiny_ner",
    "bert_tiny_squad",
    "bert_tiny_summarization",
    "roberta_tiny",
    "ernie_tiny",
    "linformer_tiny",
    "linformer_tiny_layerwise",
    "gpt2_tiny",
    "gpt2_tiny_classification",
    "gpt3_tiny",
    "gptj_tiny",
    "gpt_neox_tiny",
    "t5_tiny",
    "transformer_tiny",
    "hubert_tiny_units/layer_norm",
    "hubert_tiny_ctc/layer_norm",
    "rotary_bert",
)

IN_TENSORFLOW = some("buckets", NAMES, 3)
"""Which are drawn: that both frameworks give the same of any rows, parity shows."""

each_framework = pytest.mark.parametrize("framework", ["torch", "tf"])


class Uneven(Dataset):
    """Examples of each share of the longest, drawn for what a graph takes, in turn."""

    def __init__(self, graph: Graph, count: int) -> None:
        self.count = count
        self.sizes = [_sizes(graph, share) for share in SHARES]
        self.most = _sizes(graph, 1)
        names = [name for name in graph.inputs if name not in OF_PACKED]
        shapes = {name: (*graph.inputs[name].shape, 0, 0) for name in names}
        self.dimensions = {name: shape[1] for name, shape in shapes.items() if isinstance(shape[1], str)}
        weights = frozenset(part.weights for part in graph.loss_parts if part.weights is not None)
        self.drawn = []
        for sizes in self.sizes:
            bound = {name: graph.inputs[name].bind(sizes) for name in names}
            inputs = {name: spec.with_shape(*spec.shape[1:]) for name, spec in bound.items()}
            limits = id_limits(graph, sizes)
            self.drawn.append(
                GeneratedExamples(
                    inputs, limits=limits, weights=weights, samples=count, seed=1, split="train"
                )
            )

    def __len__(self):
        return self.count

    def example(self, epoch, index):
        found = self.drawn[index % len(SHARES)].example(epoch, index)
        wide = {
            name: each.astype(np.float64) if each.dtype.kind == "f" else each for name, each in found.items()
        }
        # What nothing is learned of is what a batch fills up, and no more.
        real = {name: np.ones_like(each) for name, each in wide.items() if name in MASKS}
        return {**wide, **real, "who": np.asarray([epoch, index], np.int32)}

    def padding(self):
        return Padding(self.dimensions, self.most)

    def lengths(self):
        return {
            name: np.asarray([self.sizes[index % len(SHARES)][name] for index in range(self.count)], np.int32)
            for name in self.most
        }


class Fed(Uneven):
    """What a model is fed of them."""

    def example(self, epoch, index):
        return without_who(super().example(epoch, index))


def _sizes(graph, share):
    wanted = {name: max(1, round(size * share)) for name, size in LONGEST.items()}
    return {
        name: max(bound.minimum, min(wanted[name], bound.maximum or wanted[name]))
        for name, bound in graph.bounds.items()
        if name in wanted
    }


def without_who(found):
    return {name: value for name, value in found.items() if name != "who"}


@cache
def small(name):
    name, _, norm = name.partition("/")
    layer_norm = "{kind: layer_norm, epsilon: 1e-5}"
    places = ("first_norm", "norm") if norm else ()
    spec = shrunk(load_spec(name, [f"model.waveform_encoder.{place}={layer_norm}" for place in places]))
    plain = {"precision": "float64", "optimizer": Sgd(), "micro_batch_size": None}
    data = spec.data.model_copy(update={"batching": BUCKETS})
    return spec.model_copy(update={"training": spec.training.model_copy(update=plain), "data": data})


BUCKETS = Bucketed(buckets=3)


@cache
def model(name, framework):
    spec = small(name)
    made = training_model(framework, spec.graph(), spec.training)
    made.set_weights(probe_weights(spec.graph(), 3))
    return made


def both(name, steps):
    """A batch of each bucket, with the same examples filled up to the longest there may be."""
    graph = small(name).graph()
    examples = Uneven(graph, 18)
    buckets = batched(BUCKETS, examples, Wanted(small(name), graph, "train"))
    seen = {}
    for step in range(steps):
        found = batch(buckets, 0, step, ROWS)
        rows = [examples.example(*map(int, who)) for who in found["who"]]
        width = next(found[each].shape[1] for each in ("input_ids", "waveform") if each in found)
        seen.setdefault(width, (without_who(found), without_who(stack(rows, examples.padding()))))
    smaller = [sum(each.size for each in one.values()) for pair in seen.values() for one in pair]
    assert len(seen) == 3
    assert sum(smaller[::2]) < 0.85 * sum(smaller[1::2])
    return list(seen.values())


def require_equal(found, wanted):
    assert found.keys() == wanted.keys()
    largest = max(float(np.abs(value).max()) for value in wanted.values())
    assert largest > 1e-3
    for name, value in wanted.items():
        # A gradient that is 0 but for rounding (of a key's bias) has no size of its own to be judged by.
        limit = LIMIT * max(float(np.abs(value).max()), 1e-3 * largest)
        np.testing.assert_allclose(found[name], value, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize(
    ("name", "framework"), [*((name, "torch") for name in NAMES), *((name, "tf") for name in IN_TENSORFLOW)]
)
def test_a_batch_of_a_bucket_has_the_losses_and_gradients_of_its_examples_filled_up_to_the_longest(
    name, framework
):
    made, graph = model(name, framework), small(name).graph()
    for found, wanted in both(name, 12):
        assert denominators(graph, found) == denominators(graph, wanted)
        require_equal(made.gradients(found), made.gradients(wanted))
        losses = [made.evaluate_step(each) for each in (found, wanted)]
        parts = [each for each in losses[1] if each.endswith(("_numerator", "_denominator", "loss"))]
        require_equal(*({part: each[part] for part in parts} for each in losses))


@each_framework
@pytest.mark.parametrize("name", ["bert_tiny", "gpt2_tiny", "t5_tiny", "hubert_tiny_units"])
def test_an_evaluation_has_the_numbers_of_a_padded_one(name, framework):
    spec = small(name)
    graph = spec.graph()
    padded = spec.model_copy(update={"data": type(spec.data)(**{"kind": spec.data.kind})})
    examples = Fed(graph, 17)
    found, wanted = (evaluate(model(name, framework), each, graph, examples, 4) for each in (spec, padded))
    assert found.keys() == wanted.keys()
    for number, value in wanted.items():
        assert found[number] == pytest.approx(value, rel=1e-12, abs=1e-12), number


def test_tensorflow_traces_a_step_once_for_all_buckets():
    spec = small("bert_tiny_ner")
    made = training_model("tf", spec.graph(), spec.training)
    for micro in (None, 2):
        training = spec.training.model_copy(update={"batch_size": 4, "micro_batch_size": micro})
        before = made.traces
        for number, (found, _) in enumerate(both("bert_tiny_ner", 12)):
            train_on(made, spec.graph(), training, found, number)
        assert made.traces - before <= 3


@each_framework
def test_a_run_that_was_stopped_goes_on_with_the_batches_that_it_would_have_had(framework, tmp_path):
    training = {"steps": 5, "batch_size": 4, "micro_batch_size": 2, "recompute": True, "precision": "float64"}
    spec = load_spec(
        "bert_tiny_ner",
        [
            *(
                f"model.{name}"
                for name in ("hidden_size=16", "num_heads=2", "intermediate_size=24", "dropout=0.1")
            ),
            *(f"training.{name}={str(value).lower()}" for name, value in training.items()),
            "data.batching={kind: bucketed, buckets: 3, tokens: 96}",
        ],
    )

    def run(name):
        return spec_run(find_backend(framework)(), spec, tmp_path / name, device="cpu", quiet=True)

    straight = run("straight").train()
    stopped = [*run("stopped").train(max_steps=2), *run("stopped").train()]
    learned = [[each for each in records if each["split"] == "train"] for records in (straight, stopped)]
    assert learned[0] == learned[1]
    assert len(learned[0]) == 5
    assert stopped[-1] == straight[-1]
