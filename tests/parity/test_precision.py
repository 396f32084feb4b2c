"""bfloat16 in both frameworks: what has which dtype, how far it is from float64, and what parity sees in it."""

from __future__ import annotations

import sys
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf
import zoo_torch
from distinct import SMALLER, small
from drawn import some
from models import training_model
from references import FAMILIES
from references.base import BATCH
from zoo_common.backend import State, import_state
from zoo_common.data import batch, open_dataset
from zoo_common.interop import from_transformers
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.compare import gap, largest, output_gaps
from zoo_common.parity.dynamic import curve
from zoo_common.parity.probes import nudged
from zoo_common.parity.results import LEVELS
from zoo_common.parity.rounded_once import rounded_once, to_bfloat16
from zoo_common.parity.rounding import judge
from zoo_common.parity.suite import run_parity
from zoo_common.paths import fixed
from zoo_common.training.loop import train_on
from zoo_spec import load_spec
from zoo_spec.blocks.activation import activation
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk
from zoo_spec.tensors import TensorSpec
from zoo_tf.blocks import norm

sys.path.insert(0, str(Path(__file__).parent))

from patched_models import MUTATIONS, Mutation
from test_transformers import draw_inputs, reference_model, reference_results

FRAMEWORKS = ("torch", "tf")
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
HALF = "training.precision=bfloat16"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        *((name, "checkpoint") for name in some("half", ["bert_tiny", "two_branch_classifier"])),
        ("causal_lm", "loss"),
    ],
)
def test_a_bfloat16_spec_agrees_at_every_level(name, level):
    sizes = SMALLER.get(name, ()) or (["model.num_layers=1"] if name == "bert_tiny" else [])
    spec = small(name, HALF, *sizes)
    report = run_parity(spec, level=level, steps=5)
    assert report.passed, report.as_json()
    in_half = {row.level for row in report.levels if row.dtype == "bfloat16"}
    wanted = LEVELS[: LEVELS.index(level) + 1]
    assert in_half == set(wanted) - {"step"}  # An optimizer's step is float32 whatever the model computes in.


@cache
def bert_bench() -> Bench:
    """A small BERT, in float64 and bfloat16."""
    spec = shrunk(load_spec("bert_base", ["training.optimizer.learning_rate=1e-3", HALF]))
    return Bench(spec, spec.graph(), FRAMEWORKS, 1)


def mutated(mutation: Mutation) -> Bench:
    """The same with another narrow model of one framework; the others are those that are there."""
    healthy, patched = bert_bench(), (mutation.framework, "bfloat16")
    models = {key: healthy.backend(*key) for key in product(FRAMEWORKS, ("float64", "bfloat16"))}
    del models[patched]

    def prepare(backend):
        if backend.name == mutation.framework and not str(backend.dtype).endswith("float64"):
            mutation.apply(backend)

    return Bench(healthy.spec, healthy.graph, FRAMEWORKS, 1, prepare=prepare, _made=models)


def forward_in_half(bench: Bench):
    reference = bert_bench().outputs("torch", "float64")
    given = {framework: bench.outputs(framework, "bfloat16") for framework in FRAMEWORKS}
    return judge(
        bench, "forward", "bfloat16", given, lambda it, each: it.evaluate_step(each), output_gaps, reference
    )


def test_without_a_defect_bfloat16_agrees():
    assert forward_in_half(bert_bench()).passed


SEEN = (
    "a transposed kernel",
    "a dropped bias",
    "a skipped layer",
    "attention scaled wrongly",
    "padding and packing ignored",
    "positions of packed examples ignored",
    "token types ignored",
    "causal for bidirectional attention",
    "the second token pooled",
    "loss weights ignored",
)
UNSEEN = (
    "GELU tanh for erf in one layer",
    "epsilon 1e-5 for 1e-12 in one norm",
    "a constant that passed through float32",
    "a smoothed loss",
)


@pytest.mark.parametrize(
    "mutation",
    [one for one in MUTATIONS if one.name in SEEN],
    ids=lambda one: f"{one.name} ({one.framework})",
)
def test_a_defect_larger_than_rounding_is_seen_in_bfloat16(mutation):
    found = forward_in_half(mutated(mutation))
    assert not found.passed
    assert found.detail.startswith(f"{mutation.framework} strayed")


@pytest.mark.parametrize(
    "mutation",
    [one for one in MUTATIONS if one.name in UNSEEN],
    ids=lambda one: f"{one.name} ({one.framework})",
)
def test_a_defect_smaller_than_rounding_is_not_seen_in_bfloat16(mutation):
    """What ``tolerances.ROUNDING`` says of bfloat16's limits is so; float64 sees these."""
    assert forward_in_half(mutated(mutation)).passed


def parameters_in_half(backend):
    """Small updates are lost where the parameters themselves are bfloat16."""
    apply = backend.optimizer.apply

    def rounded(gradients, rate):
        norm = apply(gradients, rate)
        if backend.name == "torch":
            with torch.no_grad():
                for parameter in backend.parameters.values():
                    parameter.copy_(parameter.bfloat16())
            return norm
        with tf.control_dependencies([norm]):
            for variable in backend.parameters.values():
                value = tf.convert_to_tensor(variable)
                variable.assign(tf.cast(tf.cast(value, tf.bfloat16), value.dtype))
            return tf.identity(norm)

    backend.optimizer.apply = rounded


@each_framework
def test_parameters_kept_in_bfloat16_are_seen_in_the_curve(framework):
    """Also in the framework that would set the limit alone: its defect raises how far it gets from itself."""
    spec = shrunk(load_spec("mnist_fc", [HALF]))

    def prepare(backend):
        if backend.name == framework:
            parameters_in_half(backend)

    bench = Bench(spec, spec.graph(), FRAMEWORKS, 1, prepare=prepare)
    results = [row for row, _ in curve(bench, open_dataset(spec, None, "train"), 25)]
    assert [row.passed for row in results if row.dtype == "bfloat16"] == [False]


def attended(framework, q, k, v, bias, mask):
    """What attention makes of arrays that bfloat16 holds, computed in bfloat16, as float64."""
    if framework == "torch":
        from zoo_torch.blocks.attend import attend
        from zoo_torch.blocks.dropout import Dropout

        given = [torch.tensor(value).bfloat16() for value in (q, k, v)]
        bias = None if bias is None else torch.tensor(bias).float()
        found = attend(*given, scale=1 / 4, mask=torch.tensor(mask), dropout=Dropout(rate=0.0), bias_NTS=bias)
        return found.double().numpy()
    from zoo_tf.blocks.attend import attend
    from zoo_tf.blocks.dropout import Dropout

    given = [tf.constant(value, tf.bfloat16) for value in (q, k, v)]
    bias = None if bias is None else tf.constant(bias, tf.float32)
    dropout = Dropout(rate=0.0, dtype="mixed_bfloat16")
    found = attend(*given, scale=1 / 4, mask=tf.constant(mask), dropout=dropout, bias_NTS=bias)
    return tf.cast(found, tf.float64).numpy()


def softmax_beyond_one_rounding(framework, biased):
    """How far attention's weights are from softmax in float64, over what rounding them once leaves.

    Queries and keys are such that bfloat16 holds the scores, and the values make the weights themselves the result.
    """
    rng = np.random.default_rng(0)
    q, k = rng.integers(-1, 2, (2, 2, 3, 40, 40)).astype(np.float32)
    v = np.broadcast_to(np.eye(40, dtype=np.float32), (2, 3, 40, 40)).copy()
    bias = rng.standard_normal((3, 40, 40)).astype(np.float32) if biased else None
    mask = (rng.random((2, 1, 40, 40)) < 0.7) | np.eye(40, dtype=bool)
    scores = q.astype(np.float64) @ k.astype(np.float64).swapaxes(2, 3) / 4 + (bias if biased else 0.0)
    weights = np.where(mask, np.exp(scores), 0.0)
    weights /= weights.sum(-1, keepdims=True)
    room = np.abs(to_bfloat16(weights) - weights) + 2.0**-16 * weights + 1e-30
    return float(np.max(np.abs(attended(framework, q, k, v, bias, mask) - weights) / room))


@each_framework
@pytest.mark.parametrize("biased", [False, True], ids=["plain", "with a bias"])
def test_attention_s_softmax_is_float32(framework, biased):
    assert softmax_beyond_one_rounding(framework, biased) <= 1


def test_torch_s_fused_softmax_rounds_the_numerators_alone():
    """Its kernel rounds what it divides too: twice a weight, and never the sum."""
    q, k = np.zeros((2, 1, 1, 40, 40), np.float32)
    v = np.broadcast_to(np.eye(40, dtype=np.float32), (1, 1, 40, 40)).copy()
    with fixed("attention fused"):
        found = attended("torch", q, k, v, None, np.ones((1, 1, 40, 40), bool))
    assert np.abs(found * 40 - 1).max() <= 2.0**-8


@each_framework
def test_a_softmax_of_scores_in_bfloat16_is_seen(framework, monkeypatch):
    """Both frameworks' softmax computes in float32 by itself; a bias that is added in bfloat16 does not."""
    if framework == "tf":
        monkeypatch.setattr("zoo_tf.blocks.attend.at_least_float32", lambda x: x)
    else:
        from zoo_torch.blocks import attend

        weights = attend._weights
        monkeypatch.setattr(attend, "_weights", lambda x, mask, bias: weights(x, mask, bias.to(x.dtype)))
    assert softmax_beyond_one_rounding(framework, biased=True) > 1


@cache
def kept_wide(name):
    spec = shrunk(load_spec(name, [HALF]))
    return Bench(spec, spec.graph(), FRAMEWORKS, 1)


@pytest.mark.parametrize("name", ["bert_tiny", "t5_tiny", "unet_tiny", "transformer_tiny", "gptj_tiny"])
def test_what_is_kept_in_float32_gives_the_bfloat16_next_to_the_float64_result(name):
    (found,) = rounded_once(kept_wide(name))
    assert found.passed, found


NARROWED = {
    "a norm": ("bert_tiny", "norm", "at_least_float32", "tf"),
    "a norm of channels": ("unet_tiny", "norm", "at_least_float32", "tf"),
    "an activation": ("bert_tiny", "activation", "at_least_float32", "tf"),
    "a loss": ("bert_tiny", "losses", "at_least_float32", "tf"),
    "a rotation": ("gptj_tiny", "position", "at_least_float32", "tf"),
}


@pytest.mark.parametrize("what", NARROWED)
def test_what_computes_in_bfloat16_inside_is_seen(what, monkeypatch):
    name, module, helper, framework = NARROWED[what]
    monkeypatch.setattr(f"zoo_{framework}.blocks.{module}.{helper}", lambda x: x)
    (found,) = rounded_once(kept_wide(name))
    assert not found.passed
    assert framework in found.worst


def test_a_loss_in_bfloat16_is_seen_in_torch(monkeypatch):
    cross_entropy = torch.nn.functional.cross_entropy

    def narrowed(x, *args, **kwargs):
        found = cross_entropy(x.bfloat16() if x.dtype == torch.float32 else x, *args, **kwargs)
        return found.float() if x.dtype == torch.float32 else found

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", narrowed)
    (found,) = rounded_once(kept_wide("bert_tiny"))
    assert not found.passed
    assert found.worst.endswith("(torch)")


def test_a_norm_s_scale_in_bfloat16_is_seen_in_torch(monkeypatch):
    layer_norm = torch.nn.functional.layer_norm

    def narrowed(x, shape, weight, bias, eps):
        return layer_norm(
            x, shape, weight.bfloat16().float() if x.dtype == torch.float32 else weight, bias, eps
        )

    monkeypatch.setattr(torch.nn.functional, "layer_norm", narrowed)
    (found,) = rounded_once(kept_wide("bert_tiny"))
    assert not found.passed
    assert found.worst.endswith("norm (torch)")


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@each_framework
@pytest.mark.parametrize("kind", FORMULAS)
def test_an_activation_of_any_bfloat16_is_rounded_once(kind, framework):
    """Of all 22,000 bfloat16 from 1e-20 to 30: TensorFlow's own sigmoid is off by more than two roundings."""
    bits = np.arange(1 << 16, dtype=np.uint32) << 16
    every = bits.view(np.float32)
    x = every[np.isfinite(every) & (np.abs(every) > 1e-20) & (np.abs(every) < 30)]
    spec, inputs = activation(kind), {"x": TensorSpec(("batch", len(x)))}
    if framework == "torch":
        from zoo_torch.blocks.base import build

        found = build(spec, inputs)(torch.tensor(x).bfloat16()).double().numpy()
    else:
        from zoo_tf.blocks.build import build

        layer = type(build(spec, inputs))(dtype="mixed_bfloat16")
        found = tf.cast(layer(tf.constant(x, tf.bfloat16)), tf.float64).numpy()
    wanted = FORMULAS[kind](x.astype(np.float64))
    # Half of the last place, and what float32 is off by itself.
    assert (np.abs(found - wanted) <= (2.0**-8 + 2.0**-20) * np.abs(wanted)).all()


@each_framework
def test_a_bias_in_half_width_loses_nothing_of_a_long_sum(framework):
    """Its gradient adds up 20,000 rows, more than a probe has: TensorFlow's own sum in bfloat16 loses most of it."""
    nodes = {
        "dense": {"block": {"kind": "dense", "size": 3}, "inputs": "x"},
        "error": {"block": {"kind": "squared_error"}, "inputs": ("dense", "labels")},
    }
    inputs = {"x": {"shape": ("batch", 3)}, "labels": {"shape": ("batch", 3), "label": True}}
    model = {"kind": "graph", "inputs": inputs, "nodes": nodes, "outputs": {"loss": "error"}}
    spec = ExperimentSpec.model_validate({"model": model})
    labels = np.random.default_rng(0).standard_normal((20_000, 3)) + 0.3
    found = {}
    for dtype in ("float64", "bfloat16"):
        backend = training_model(framework, spec.graph(), spec.training, dtype)
        found[dtype] = backend.gradients({"x": np.zeros_like(labels), "labels": labels})["dense.bias"]
    wide = found["float64"]
    assert gap(found["bfloat16"], wide, largest(wide)) < tolerances.ROUNDING["bfloat16"].roundoff


@each_framework
def test_a_table_in_half_width_loses_nothing_of_a_long_sum(framework):
    """As for a bias: each of three rows is read 7,000 times, and rounding each leaves less than rounding the sum."""
    nodes = {
        "table": {"block": {"kind": "embedding", "rows": 3, "size": 2}, "inputs": "ids"},
        "error": {"block": {"kind": "squared_error"}, "inputs": ("table", "labels")},
    }
    inputs = {
        "ids": {"shape": ("batch", 7), "dtype": "int32"},
        "labels": {"shape": ("batch", 7, 2), "label": True},
    }
    model = {"kind": "graph", "inputs": inputs, "nodes": nodes, "outputs": {"loss": "error"}}
    spec = ExperimentSpec.model_validate({"model": model})
    rng = np.random.default_rng(0)
    batch = {
        "ids": rng.integers(0, 3, (3000, 7)).astype(np.int32),
        "labels": rng.standard_normal((3000, 7, 2)) + 0.3,
    }
    found = {}
    for dtype in ("float64", "bfloat16"):
        backend = training_model(framework, spec.graph(), spec.training, dtype)
        found[dtype] = backend.gradients(batch)["table.weight"]
    wide = found["float64"]
    assert gap(found["bfloat16"], wide, largest(wide)) < tolerances.ROUNDING["bfloat16"].roundoff / 8


@each_framework
@pytest.mark.parametrize("channels", [1, 2, 12, 16])
@pytest.mark.parametrize("size", [8, 128])
def test_a_convolution_along_time_of_any_width_is_rounded_once(channels, size, framework):
    """oneDNN's own gives noise for few channels and long kernels on processors with AMX, and says nothing."""
    rng = np.random.default_rng(0)
    x, kernel = (
        to_bfloat16(rng.standard_normal(shape)) for shape in ((2, 150, channels), (size, channels, 24))
    )
    wide = tf.nn.conv1d(tf.constant(x), tf.constant(kernel), 1, "VALID").numpy()
    if framework == "torch":
        from zoo_torch.blocks.convolve1d import convolve1d

        given = torch.tensor(x).mT.bfloat16(), torch.tensor(kernel).permute(2, 1, 0).bfloat16()
        found = convolve1d(*given, None).mT.double().numpy()
    else:
        from zoo_tf.blocks.convolve1d import convolve1d

        given = [tf.constant(value, tf.bfloat16) for value in (x, kernel)]
        found = tf.cast(convolve1d(*given), tf.float64).numpy()
    assert gap(found, wide, largest(wide)) <= tolerances.ROUNDING["bfloat16"].roundoff


@each_framework
@pytest.mark.parametrize("variant", ["full", "padded-no-types"])
def test_bfloat16_is_as_far_from_transformers_in_float64_as_rounding_explains(variant, framework):
    family = "bert-pretraining"
    spec, inputs = FAMILIES[family].spec(), draw_inputs(family, variant)
    theirs = {
        name: value for name, value in reference_results(family, variant).items() if "gradient" not in name
    }
    state = {name: value.numpy() for name, value in reference_model(family).state_dict().items()}
    weights, rule = from_transformers(spec, state), tolerances.ROUNDING["bfloat16"]
    real = inputs.get("example_ids", np.ones((BATCH, 1))) > 0

    def gaps(found):
        def at(name, value):
            return value[np.broadcast_to(real, value.shape[:2])] if name == "hidden_states" else value

        return {
            name: gap(at(name, found[name]), at(name, value), largest(at(name, value)))
            for name, value in theirs.items()
        }

    def model(dtype):
        backend = training_model(framework, spec.graph(), spec.training, dtype)
        return backend

    def outputs(backend, weights):
        backend.set_weights(weights)
        return backend.evaluate_step(inputs)

    wide = model("float64")
    moved = [gaps(outputs(wide, nudged(weights, rule.roundoff, seed))) for seed in range(rule.nudges)]
    for name, found in gaps(outputs(model("bfloat16"), weights)).items():
        explained = max(rule.roundoff, *(each[name] for each in moved))
        assert found <= rule.multiple * explained, (name, found, explained)


@each_framework
def test_parameters_gradients_and_the_common_half_s_arrays_are_float32(framework):
    spec = shrunk(load_spec("bert_tiny", [HALF]))
    graph, training = spec.graph(), spec.training
    backend = training_model(framework, graph, training, "bfloat16")
    examples = batch(open_dataset(spec, None, "train"), 0, 0, 4)
    train_on(backend, graph, training, examples, 0)
    state = backend.export_state()
    for arrays in (
        state.weights,
        state.optimizer,
        backend.gradients(examples),
        backend.evaluate_step(examples),
        backend.predict_step(examples),
        {
            f"{call.path} {name}": value
            for call in backend.block_calls(examples)
            for name, value in call.gave.items()
            if value.dtype.kind == "f"
        },
    ):
        assert arrays
        assert {str(value.dtype) for value in arrays.values()} == {"float32"}


def native_outputs(spec, framework, examples):
    """The compiled model's own outputs, with the dtypes that it gives."""
    if framework == "torch":
        model = zoo_torch.compile(spec, dtype="bfloat16")
        found = model(**{name: torch.from_numpy(np.asarray(value)) for name, value in examples.items()})
        return {name: str(value.dtype).removeprefix("torch.") for name, value in found.items()}
    found = zoo_tf.compile(spec, dtype="bfloat16")(examples)
    return {name: value.dtype.name for name, value in found.items()}


@each_framework
@pytest.mark.parametrize("name", ["bert_tiny", "mnist_fc", "two_branch_classifier", "causal_lm"])
def test_outputs_have_the_dtypes_that_the_graph_declares(name, framework):
    spec = shrunk(load_spec(name))
    examples = batch(open_dataset(spec, None, "train"), 0, 0, 4)
    wanted = {"float": "bfloat16", "float32": "float32"}
    found = native_outputs(spec, framework, examples)
    assert found == {name: wanted[tensor.dtype] for name, tensor in spec.graph().outputs.items()}


@each_framework
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_a_bfloat16_run_goes_on_in_the_other_framework_and_in_any_precision(framework, precision):
    spec = shrunk(load_spec("mnist_fc", [HALF, "training.batch_size=8", "training.random=portable"]))
    graph, training = spec.graph(), spec.training
    examples = batch(open_dataset(spec, None, "train"), 0, 0, 8)
    other = next(name for name in FRAMEWORKS if name != framework)

    def begin(framework, dtype):
        backend = training_model(framework, graph, training, dtype)
        return backend

    def go_on(backend, state):
        import_state(backend, State(state.weights, state.optimizer, state.step))
        return [
            float(train_on(backend, graph, training, examples, index).result.loss)
            for index in range(state.step, state.step + 3)
        ]

    first = begin(framework, "bfloat16")
    for index in range(3):
        train_on(first, graph, training, examples, index)
    state = first.export_state()
    here, there = go_on(first, state), go_on(begin(other, precision), state)
    assert there == pytest.approx(here, rel=5 * tolerances.ROUNDING["bfloat16"].roundoff)
    assert there[-1] < there[0]


@each_framework
def test_weights_of_the_loss_are_not_rounded(framework):
    """A denominator of 0.1 a token is 0.1 times their number, which bfloat16 could not hold."""
    spec = shrunk(load_spec("bert_tiny"))
    backend = training_model(framework, spec.graph(), spec.training, "bfloat16")
    examples = dict(batch(open_dataset(spec, None, "train"), 0, 0, 4))
    examples["masked_weights"] = np.full(examples["masked_weights"].shape, 0.1)
    found = backend.evaluate_step(examples)["masked_lm_denominator"]
    assert found == pytest.approx(0.1 * examples["masked_weights"].size, rel=1e-6)


def test_a_defect_of_what_tensorflow_traces_in_float32_alone_is_seen(monkeypatch):
    """It is the traced program that evaluates, whatever its operations give one by one."""
    exact = norm.layer_norm

    def off(x, gamma, beta, epsilon):
        return exact(
            x, gamma, beta, epsilon * 1e8 if tf.inside_function() and x.dtype == tf.float32 else epsilon
        )

    monkeypatch.setattr(norm, "layer_norm", off)
    report = run_parity(load_spec("bert_tiny", ["model.num_layers=1"]), level="forward", rows=("full",))
    assert [(each.level, each.dtype) for each in report.levels if not each.passed] == [("forward", "float32")]
