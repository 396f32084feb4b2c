"""torch's and TensorFlow's optimizers make the same update: against each other, and against the formula.

Both are handed the same gradients, drawn once, so that nothing but the optimizers can differ.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch

from zoo_common.paths import fixed
from zoo_spec.errors import EnvironmentFault, InputError, SpecError
from zoo_spec.training.optimizers import AdamW, Optimizer, Sgd
from zoo_spec.training.schedules import Cosine
from zoo_tf import optimizers as tf_optimizers
from zoo_torch import optimizers as torch_optimizers

keras = tf_optimizers.keras

STEPS = 100
LIMIT = 1e-12

# Canonical name: shape in torch's layout, role. The TensorFlow side keeps weights transposed.
PARAMETERS = {
    "table.weight": ((11, 6), "embedding"),
    "dense.weight": ((7, 6), "weight"),
    "dense.bias": ((7,), "bias"),
    "convolution.weight": ((3, 2, 3, 5), "weight"),
    "norm.weight": ((7,), "norm"),
    "norm.bias": ((7,), "norm"),
    "scale": ((), "weight"),
}
ROLES = {name: role for name, (_, role) in PARAMETERS.items()}
OPTIMIZERS = {
    "sgd": Sgd(learning_rate=0.1),
    "sgd_momentum": Sgd(learning_rate=0.1, momentum=0.9),
    "sgd_all": Sgd(
        learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, max_gradient_norm=3.0, no_decay=()
    ),
    "adamw": AdamW(learning_rate=0.01),
    "adamw_all": AdamW(
        learning_rate=0.01,
        beta_1=0.8,
        beta_2=0.95,
        epsilon=1e-3,
        weight_decay=0.3,
        no_decay=("norm", "embedding"),
    ),
    "adamw_plain": AdamW(learning_rate=0.01, weight_decay=0.0, max_gradient_norm=None),
}
SCHEDULE = Cosine(warmup_steps=10, end_factor=0.1)


def transpose(name, array):
    """Between torch's layout and the one that the TensorFlow side keeps here, in either direction."""
    return array.transpose() if name.endswith(".weight") else array


class Torch:
    """torch's side behind the few words that both share."""

    def __init__(self, spec, values, dtype="float64"):
        self.dtype = getattr(torch, dtype)
        self.parameters = {
            name: torch.nn.Parameter(torch.tensor(value, dtype=self.dtype)) for name, value in values.items()
        }
        self.optimizer = torch_optimizers.make_optimizer(spec, self.parameters, ROLES)

    def apply(self, gradients, rate):
        given = {
            name: None if gradient is None else torch.tensor(gradient, dtype=self.dtype)
            for name, gradient in gradients.items()
        }
        return float(self.optimizer.apply(given, rate))

    def values(self):
        return {name: parameter.detach().numpy().copy() for name, parameter in self.parameters.items()}


class TensorFlow:
    """TensorFlow's side; its step is one compiled function, whose traces are counted."""

    def __init__(self, spec, values, dtype="float64", jit_compile=False):
        self.dtype = dtype
        self.traces = 0
        self.parameters = {
            name: keras.Variable(transpose(name, np.asarray(value)), dtype=dtype)
            for name, value in values.items()
        }
        self.optimizer = tf_optimizers.make_optimizer(spec, self.parameters, ROLES, transpose, transpose)
        self.run = tf.function(self._run, jit_compile=jit_compile)

    def _run(self, gradients, rate):
        self.traces += 1
        return self.optimizer.apply(gradients, rate)

    def apply(self, gradients, rate):
        given = {
            name: None if gradient is None else tf.constant(transpose(name, np.asarray(gradient)), self.dtype)
            for name, gradient in gradients.items()
        }
        return float(self.run(given, tf.constant(rate, tf.float64)))

    def values(self):
        return {name: transpose(name, variable.numpy()) for name, variable in self.parameters.items()}


class Formula:
    """The published formulas in NumPy, float64."""

    def __init__(self, spec, values):
        self.spec = spec
        self.parameters = {name: np.array(value) for name, value in values.items()}
        self.first = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.second = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.step = 0

    def apply(self, gradients, rate):
        spec, self.step = self.spec, self.step + 1
        norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))
        limit = spec.max_gradient_norm
        scale = limit / norm if limit is not None and norm > limit else 1.0
        for name, p in self.parameters.items():
            g = gradients[name] * scale
            if ROLES[name] not in spec.no_decay:
                p *= 1 - rate * spec.weight_decay
            if isinstance(spec, AdamW):
                self.first[name] = spec.beta_1 * self.first[name] + (1 - spec.beta_1) * g
                self.second[name] = spec.beta_2 * self.second[name] + (1 - spec.beta_2) * g**2
                unbiased = self.first[name] / (1 - spec.beta_1**self.step)
                root = np.sqrt(self.second[name] / (1 - spec.beta_2**self.step))
                p -= rate * unbiased / (root + spec.epsilon)
            else:
                self.first[name] = spec.momentum * self.first[name] + g
                p -= rate * (g + spec.momentum * self.first[name] if spec.nesterov else self.first[name])
        return norm

    def values(self):
        return self.parameters


def draw(seed=0, scale=3.0):
    generator = np.random.default_rng(seed)
    return {name: scale * generator.standard_normal(shape) for name, (shape, _) in PARAMETERS.items()}


def gradients_at(step):
    """Of every size: norms from 0.03 to 30, so that some steps are clipped and some are not."""
    return draw(seed=1000 + step, scale=10.0 ** (step % 4 - 2))


def train(side, start, stop):
    """The norms that the steps from ``start`` to ``stop`` report."""
    return [side.apply(gradients_at(step), SCHEDULE.rate(step, 0.05, STEPS)) for step in range(start, stop)]


def gap(left, right):
    """The largest difference, relative to the largest magnitude of its parameter."""
    assert left.keys() == right.keys()
    worst = 0.0
    for name in left:
        assert np.isfinite(left[name]).all()
        assert np.shape(left[name]) == np.shape(right[name])
        worst = max(worst, np.max(np.abs(left[name] - right[name])) / np.max(np.abs(right[name])))
    return worst


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_both_make_the_update_of_the_formula(kind):
    spec, start = OPTIMIZERS[kind], draw()
    sides = [Formula(spec, start), Torch(spec, start), TensorFlow(spec, start)]
    norms = [train(side, 0, STEPS) for side in sides]
    formula, by_torch, by_tf = (side.values() for side in sides)
    gaps = gap(by_torch, by_tf), gap(by_torch, formula), gap(by_tf, formula)
    print(f"{kind}: torch-TF {gaps[0]:.1e}, torch-formula {gaps[1]:.1e}, TF-formula {gaps[2]:.1e}")
    assert max(gaps) <= LIMIT
    np.testing.assert_allclose(norms[1], norms[0], rtol=LIMIT)
    np.testing.assert_allclose(norms[2], norms[0], rtol=LIMIT)
    for name, value in formula.items():
        assert np.max(np.abs(value - start[name])) > 1e-2, f"{name} did not move: equality says nothing"
    assert sides[2].traces == 1
    assert sides[1].optimizer.step == sides[2].optimizer.step == STEPS


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_update_that_xla_compiled_is_that_of_the_formula(kind, monkeypatch):
    spec, start = OPTIMIZERS[kind], draw()
    sides = [Formula(spec, start), TensorFlow(spec, start)]
    made, compiled = [], tf_optimizers._compiled_update
    monkeypatch.setattr(tf_optimizers, "_compiled_update", lambda *of: made.append(of) or compiled(*of))
    with fixed("update compiled"):
        for side in sides:
            train(side, 0, 20)
    assert made
    assert gap(sides[1].values(), sides[0].values()) <= LIMIT


def test_xla_compiles_the_update_of_large_variables_alone():
    variables = {"small": keras.Variable(np.zeros((64, 128))), "large": keras.Variable(np.zeros((64, 129)))}
    made = tf_optimizers.make_optimizer(OPTIMIZERS["adamw"], variables, dict.fromkeys(variables, "weight"))
    assert made.native.ways == ["plain", "compiled"]


def test_an_update_is_traced_once_for_all_variables_of_a_shape():
    shape = (3, 5, 7)  # Of no other variable here.
    variables = {name: keras.Variable(np.zeros(shape)) for name in "abc"}
    made = tf_optimizers.make_optimizer(OPTIMIZERS["adamw"], variables, dict.fromkeys(variables, "weight"))
    update = tf_optimizers._traced_update(type(made.native), made.native.constants())
    before = update.experimental_get_tracing_count()
    made.apply({name: tf.ones(shape, tf.float64) for name in variables}, 1e-3)
    assert update.experimental_get_tracing_count() == before + 1
    assert all(np.all(variable.numpy() != 0) for variable in variables.values())


@pytest.mark.parametrize("kind", ["sgd_all", "adamw_all"])
def test_the_update_is_the_same_when_compiled_by_xla(kind):
    spec, start = OPTIMIZERS[kind], draw()
    sides = [Formula(spec, start), TensorFlow(spec, start, jit_compile=True)]
    for side in sides:
        train(side, 0, 20)
    assert gap(sides[1].values(), sides[0].values()) <= LIMIT


@pytest.mark.parametrize("kind", ["sgd_all", "adamw"])
def test_float32_strays_by_rounding_only(kind):
    spec, start = OPTIMIZERS[kind], draw()
    sides = [Formula(spec, start), Torch(spec, start, "float32"), TensorFlow(spec, start, "float32")]
    for side in sides:
        train(side, 0, STEPS)
    formula, by_torch, by_tf = (side.values() for side in sides)
    assert max(gap(by_torch, formula), gap(by_tf, formula)) < 3e-6


@pytest.mark.parametrize("kind", ["sgd_all", "adamw", "sgd"])
@pytest.mark.parametrize(("first", "second"), [(Torch, TensorFlow), (TensorFlow, Torch)])
def test_one_continues_from_the_state_of_the_other(kind, first, second):
    spec, start = OPTIMIZERS[kind], draw()
    whole = second(spec, start)
    train(whole, 0, STEPS)

    half = first(spec, start)
    train(half, 0, STEPS // 2)
    rest = second(spec, half.values())
    rest.optimizer.load_state(half.optimizer.state())
    rest.optimizer.step = half.optimizer.step
    train(rest, STEPS // 2, STEPS)

    assert gap(rest.values(), whole.values()) <= LIMIT
    state, expected = rest.optimizer.state(), whole.optimizer.state()
    assert state.keys() == expected.keys()
    assert len(state) == len(spec.moments) * len(PARAMETERS)
    if state:
        assert gap(state, expected) <= LIMIT
    assert rest.optimizer.step == whole.optimizer.step == STEPS


@pytest.mark.parametrize("side", [Torch, TensorFlow])
def test_loading_a_state_and_its_step_loses_nothing(side):
    spec, start = OPTIMIZERS["adamw"], draw()
    one = side(spec, start)
    train(one, 0, 3)
    state = one.optimizer.state()
    kept = {key: array.copy() for key, array in state.items()}
    train(one, 3, 5)
    for key, array in kept.items():
        np.testing.assert_array_equal(state[key], array, err_msg="a state that was handed out has changed")
    one.optimizer.load_state(kept)
    one.optimizer.step = 3
    assert one.optimizer.step == 3
    for key, array in one.optimizer.state().items():
        np.testing.assert_array_equal(array, kept[key])
        assert array.shape == PARAMETERS[key.rpartition("/")[0]][0]


@pytest.mark.parametrize("side", [Torch, TensorFlow])
def test_a_state_that_does_not_fit_is_refused_by_name(side):
    optimizer = side(OPTIMIZERS["adamw"], draw()).optimizer
    state = optimizer.state()
    wrong = {**state, "dense.bias/first_moment": np.zeros(3), "other/first_moment": np.zeros(2)}
    del wrong["scale/second_moment"]
    with pytest.raises(InputError) as caught:
        optimizer.load_state(wrong)
    message = str(caught.value)
    assert "scale/second_moment is missing" in message
    assert "other/first_moment is unknown" in message
    assert "dense.bias/first_moment has shape [3] instead of [7]" in message


@pytest.mark.parametrize("side", [Torch, TensorFlow])
def test_decay_spares_the_roles_it_is_told_to(side):
    spec, start = AdamW(learning_rate=1.0, weight_decay=0.5, no_decay=("norm", "embedding")), draw()
    one = side(spec, start)
    one.apply({name: np.zeros(shape) for name, (shape, _) in PARAMETERS.items()}, 0.1)
    for name, value in one.values().items():
        factor = 1.0 if ROLES[name] in ("norm", "embedding") else 0.95
        np.testing.assert_allclose(value, start[name] * factor, rtol=1e-15)


@pytest.mark.parametrize("side", [Torch, TensorFlow])
def test_a_decay_exclusion_that_matches_nothing_is_refused(side):
    roles = {name: "weight" if role == "norm" else role for name, role in ROLES.items()}
    spec = AdamW(no_decay=("norm",))
    make = torch_optimizers.make_optimizer if side is Torch else tf_optimizers.make_optimizer
    with pytest.raises(SpecError, match=r"no_decay names norm.*bias, embedding, weight"):
        make(spec, side(OPTIMIZERS["adamw"], draw()).parameters, roles)


@pytest.mark.parametrize("kind", ["sgd_all", "adamw"])
def test_a_parameter_without_gradient_counts_as_one_with_zeros(kind):
    spec, start = OPTIMIZERS[kind], draw()
    for side in (Torch, TensorFlow):
        without, zeros = side(spec, start), side(spec, start)
        for step in range(5):
            gradients = gradients_at(step)
            without.apply({**gradients, "dense.weight": None}, 0.01)
            zeros.apply({**gradients, "dense.weight": np.zeros((7, 6))}, 0.01)
        assert gap(without.values(), zeros.values()) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", [Torch, TensorFlow])
def test_a_norm_that_is_not_finite_is_reported_as_it_is(side, bad):
    gradients = gradients_at(0)
    gradients["dense.bias"][3] = bad
    norm = side(OPTIMIZERS["adamw"], draw()).apply(gradients, 0.01)
    assert np.isnan(norm) if np.isnan(bad) else np.isinf(norm)


def test_torch_writes_only_to_gradients_that_stand_in_a_parameter():
    parameter = torch.nn.Parameter(torch.ones(4))
    optimizer = torch_optimizers.make_optimizer(AdamW(), {"w": parameter}, {"w": "weight", "b": "bias"})
    given = torch.full((4,), 10.0)
    optimizer.apply({"w": given}, 0.1)
    assert parameter.grad is None
    torch.testing.assert_close(given, torch.full((4,), 10.0), rtol=0, atol=0)

    parameter.grad = given
    optimizer.apply({"w": parameter.grad}, 0.1)
    torch.testing.assert_close(given, torch.full((4,), 0.5))


@pytest.mark.parametrize("layout", ["expanded", "transposed", "channels_last"])
def test_torch_reads_gradients_of_any_strides(layout):
    shape = (3, 2, 4, 5)
    gradient = torch.arange(120, dtype=torch.float64).reshape(shape)
    parameter = torch.zeros(shape, dtype=torch.float64)
    if layout == "expanded":
        gradient = torch.tensor(1.0, dtype=torch.float64).expand(shape)
    elif layout == "transposed":
        gradient = gradient.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    else:
        parameter = parameter.to(memory_format=torch.channels_last)
    results = []
    for given, value in ((gradient, parameter), (gradient.contiguous(), parameter.contiguous())):
        one = torch.nn.Parameter(value.clone())
        optimizer = torch_optimizers.make_optimizer(AdamW(), {"w": one}, {"w": "weight", "b": "bias"})
        optimizer.apply({"w": given}, 0.1)
        results.append((one.detach(), torch.tensor(optimizer.state()["w/first_moment"])))
    torch.testing.assert_close(results[0], results[1], rtol=1e-14, atol=0)


def test_tensorflow_adds_repeated_rows_of_an_embedding_gradient():
    rows, start = [1, 4, 1], np.random.default_rng(0).standard_normal((5, 3))
    values = np.random.default_rng(1).standard_normal((3, 3))
    dense = np.zeros((5, 3))
    np.add.at(dense, rows, values)
    results = []
    for gradient in (tf.IndexedSlices(tf.constant(values), tf.constant(rows), [5, 3]), tf.constant(dense)):
        table = keras.Variable(start, dtype="float64")
        optimizer = tf_optimizers.make_optimizer(AdamW(), {"w": table}, {"w": "embedding"})
        norm = optimizer.apply({"w": gradient}, 0.1)
        results.append((float(norm), table.numpy()))
    assert results[0][0] == pytest.approx(np.linalg.norm(dense), rel=1e-15)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-15)


@pytest.mark.parametrize("name", ["Sgd", "AdamW"])
def test_the_keras_optimizers_serve_a_plain_keras_model(name, tmp_path):
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2)])
    model.compile(optimizer=getattr(tf_optimizers, name)(learning_rate=0.01), loss="mse")
    x = np.random.default_rng(0).standard_normal((16, 4)).astype("float32")
    history = model.fit(x, x[:, :2], epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is getattr(tf_optimizers, name)


def test_the_gradients_norm_is_exact_over_millions_of_values_in_both():
    import tensorflow as tf
    import torch

    from zoo_torch.optimizers import global_norm

    values = np.random.default_rng(0).standard_normal((2_000, 2_000)).astype(np.float32)
    exact = float(np.sqrt(np.sum(values.astype(np.float64) ** 2)))
    assert float(global_norm([torch.from_numpy(values)])) == pytest.approx(exact, rel=1e-6)
    assert float(tf.linalg.global_norm([tf.constant(values)])) == pytest.approx(exact, rel=1e-6)


def test_a_form_of_keras_own_is_refused_which_would_take_gradients_unclipped():
    class Foreign(Optimizer):  # Without a kind of its own, so that it is not registered.
        """An optimizer of a plugin."""

        learning_rate: float = 0.1
        weight_decay: float = 0.0

    @tf_optimizers.make_native.register(Foreign)
    def _foreign(spec, rate):
        return tf.keras.optimizers.SGD(rate), {}

    with pytest.raises(
        EnvironmentFault, match=r"optimizer 'foreign', SGD, is no zoo_tf.optimizers.TorchsForm"
    ):
        tf_optimizers.make_optimizer(Foreign.model_construct(kind="foreign"), {}, {})
