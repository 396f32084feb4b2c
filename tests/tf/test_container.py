"""The Keras container and the block base class, on toy blocks held against plain NumPy."""

from __future__ import annotations

import copy
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo_tf
from drawn import shared_out
from small_models import cases, in_fresh_process, thin_spec
from zoo_spec.errors import InputError
from zoo_tf.blocks.base import Block, named_layers, recording
from zoo_tf.container import build_functional

VOCAB, SIZE, CLASSES = 7, 4, 3


class ToyEmbedding(Block):
    def __init__(self, *, vocab: int, size: int, **kwargs):
        super().__init__(**kwargs)
        self.weight = self.add_weight(name="weight", shape=(vocab, size), initializer="normal")

    def call(self, ids):
        table = tf.convert_to_tensor(self.weight)
        return {"hidden": tf.gather(table, ids), "table": table}


class ToyDense(Block):
    def __init__(self, *, inner: keras.layers.Layer, scale: float, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.scale = scale

    def call(self, x, *, offsets=None):
        y = self.inner(x) * tf.constant(self.scale, x.dtype)
        return y if offsets is None else y + offsets[..., tf.newaxis]


class ToyStack(Block):
    def __init__(self, *, layers: list[keras.layers.Layer], extra: dict[str, keras.layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.layers = layers
        self.extra = extra

    def call(self, x, *, offsets=None):
        for layer in self.layers:
            x = layer(x, offsets=offsets)
        return self.extra["last"](x)


class ToySum(Block):
    def call(self, *terms):
        return tf.add_n(terms)


class ToyGather(Block):
    def call(self, x, positions):
        return tf.gather(x, positions, batch_dims=1)


class TiedHead(Block):
    def __init__(self, *, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.bias = self.add_weight(name="bias", shape=(classes,), initializer="normal")

    def call(self, x, table):
        return tf.einsum("...h,vh->...v", x, table) + self.bias


class ToyLoss(Block):
    def call(self, logits, labels, weights):
        picked = tf.gather(tf.nn.log_softmax(logits), labels, batch_dims=2)
        numerator, denominator = -tf.reduce_sum(weights * picked), tf.reduce_sum(weights)
        return {
            "loss": tf.math.divide_no_nan(numerator, denominator),
            "toy_numerator": numerator,
        }


def make_model(dtype: str = "float32", name: str = "toy", **renamed: str) -> keras.Model:
    def dense() -> ToyDense:
        return ToyDense(inner=keras.layers.Dense(SIZE, dtype=dtype), scale=0.1, dtype=dtype)

    head = TiedHead(classes=VOCAB, dtype=dtype)
    stack = ToyStack(
        layers=[dense(), dense()], extra={"last": keras.layers.Dense(SIZE, dtype=dtype)}, dtype=dtype
    )
    embed, total = renamed.get("embed", "embed"), renamed.get("total", "total")
    model = build_functional(
        inputs=[
            ("ids", (None, None), "int32"),
            ("offsets", (None, None), dtype, True),
            ("positions", (None, None), "int32", True),
            ("position_labels", (None, None), "int32", True),
            ("position_weights", (None, None), dtype, True),
        ],
        nodes=[
            (embed, ToyEmbedding(vocab=VOCAB, size=SIZE, dtype=dtype), ["ids"]),
            ("stack", stack, [(embed, "hidden")], {"offsets": "offsets"}),
            (total, ToySum(dtype=dtype), [(embed, "hidden"), "stack", "stack"]),
            ("head", head, [total, (embed, "table")]),
            ("gathered", ToyGather(dtype=dtype), [total, "positions"]),
            ("gathered_head", head, ["gathered", (embed, "table")]),
            ("part", ToyLoss(dtype=dtype), ["gathered_head", "position_labels", "position_weights"]),
        ],
        outputs={
            "hidden_states": total,
            "logits": "head",
            "picked_logits": "gathered_head",
            "loss": ("part", "loss"),
            "toy_numerator": ("part", "toy_numerator"),
        },
        name=name,
    )
    draw = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(draw.normal(size=weight.shape))
    return model


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    return {
        f"{path}.{weight.name}": weight.numpy().astype("float64")
        for path, layer in named_layers(model)
        for weight in layer._trainable_variables
    }


def formula(w: dict[str, np.ndarray], inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The toy model in NumPy."""
    inputs = {name: v.astype("float64") if v.dtype == "float32" else v for name, v in inputs.items()}
    x = hidden = w["embed.weight"][inputs["ids"]]
    for i in range(2):
        x = 0.1 * (x @ w[f"stack.layers.{i}.inner.kernel"] + w[f"stack.layers.{i}.inner.bias"])
        if "offsets" in inputs:
            x = x + inputs["offsets"][..., None]
    total = hidden + 2 * (x @ w["stack.extra.last.kernel"] + w["stack.extra.last.bias"])
    outputs = {"hidden_states": total, "logits": total @ w["embed.weight"].T + w["head.bias"]}
    if "positions" in inputs:
        rows = np.arange(len(total))[:, None]
        logits = outputs["picked_logits"] = outputs["logits"][rows, inputs["positions"]]
        if {"position_labels", "position_weights"} <= set(inputs):
            log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            picked = np.take_along_axis(log_p, inputs["position_labels"][..., None], -1)[..., 0]
            weights = inputs["position_weights"]
            outputs["toy_numerator"] = -(weights * picked).sum()
            outputs["loss"] = outputs["toy_numerator"] / weights.sum()
    return outputs


ALL = ("position_weights", "positions", "ids", "offsets", "position_labels")  # not the model's order
SUBSETS = [ALL, ("ids",), ("offsets", "ids"), ("positions", "ids"), ("position_labels", "positions", "ids")]


def draw_inputs(names=ALL, batch: int = 2, length: int = 5, seed: int = 1) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    values = {
        "ids": draw.integers(VOCAB, size=(batch, length)).astype("int32"),
        "offsets": draw.normal(size=(batch, length)).astype("float32"),
        "positions": draw.integers(length, size=(batch, 3)).astype("int32"),
        "position_labels": draw.integers(VOCAB, size=(batch, 3)).astype("int32"),
        "position_weights": draw.uniform(size=(batch, 3)).astype("float32"),
    }
    return {name: values[name] for name in names}


def assert_same(outputs, expected, tolerance: float = 2e-6) -> None:
    assert set(outputs) == set(expected)
    for name, value in expected.items():
        got = np.asarray(outputs[name])
        assert got.shape == value.shape, name
        assert np.abs(value).max() > 0.05, f"{name}: too small to show a difference"
        np.testing.assert_allclose(
            got, value, rtol=0, atol=tolerance * np.abs(value).max(), equal_nan=False, err_msg=name
        )


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return make_model()


@pytest.mark.parametrize("names", SUBSETS, ids=lambda names: "+".join(names))
@pytest.mark.parametrize("mode", ["eager", "numpy", "function", "jit", "predict"])
def test_left_out_inputs_leave_out_exactly_the_outputs_that_need_them(model, mode, names):
    inputs = draw_inputs(names)
    expected = formula(weights_of(model), inputs)
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    if mode == "eager":
        outputs = model(tensors)
    elif mode == "numpy":
        outputs = model(inputs)
    elif mode == "predict":
        outputs = model.predict(inputs, batch_size=1, verbose=0)
        expected = {name: value for name, value in expected.items() if value.ndim}
    else:
        outputs = tf.function(model, jit_compile=mode == "jit")(tensors)
    assert_same(outputs, expected)


def test_a_none_is_an_absent_input_and_other_integer_widths_are_cast(model):
    inputs = draw_inputs(("ids", "positions"))
    wide = {"offsets": None, "ids": inputs["ids"].astype("int64"), "positions": inputs["positions"].tolist()}
    expected = formula(weights_of(model), inputs)
    assert_same(model(wide), expected)
    wide["ids"] = tf.constant(wide["ids"])
    assert_same(model(wide), expected)


def test_a_float64_model_has_no_float32_in_it():
    model = make_model("float64")
    inputs = draw_inputs()
    outputs = model(inputs)
    assert {tensor.dtype for tensor in outputs.values()} == {tf.float64}
    assert_same(outputs, formula(weights_of(model), inputs), tolerance=1e-14)


def test_the_tied_table_gets_both_its_gradients():
    model = make_model("float64")
    inputs = draw_inputs()
    with tf.GradientTape() as tape:
        loss = model(inputs)["loss"]
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    w, names, step = weights_of(model), list(weights_of(model)), 1e-6
    assert len(names) == len(model.trainable_weights) == len(gradients) == 8
    by_id = {id(v): f"{path}.{v.name}" for path, layer in named_layers(model) for v in layer.weights}
    assert len(by_id) == 8
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        name = by_id[id(weight)]
        slope = np.zeros_like(w[name])
        for index in np.ndindex(slope.shape):
            ends = []
            for sign in (1, -1):
                moved = {**w, name: w[name].copy()}
                moved[name][index] += sign * step
                ends.append(formula(moved, inputs)["loss"])
            slope[index] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(tf.convert_to_tensor(gradient), slope, atol=1e-8, err_msg=name)


def test_layers_and_paths_carry_the_authors_names(model):
    paths = [path for path, _ in named_layers(model)]
    assert paths == [
        "embed", "stack", "stack.layers.0", "stack.layers.0.inner", "stack.layers.1", "stack.layers.1.inner",
        "stack.extra.last", "total", "gathered", "head", "part",
    ]  # fmt: skip
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert all(name in "\n".join(lines) for name in ("embed", "stack", "gathered", "part"))


@pytest.mark.parametrize("name", ["_x", "1x", "x" * 200, "class", "input", "_", "é", "a b-c", "call", "loss"])
def test_any_word_serves_as_a_node_name(name, tmp_path):
    model = make_model(embed=name, name=name)
    inputs = draw_inputs()
    expected = model(inputs)
    assert_same(tf.function(model)(inputs), {key: value.numpy() for key, value in expected.items()})
    assert tf.function(model.get_layer(name))(inputs["ids"])["table"].shape == (VOCAB, SIZE)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer(name).name == name
    assert_same(again(inputs), {key: value.numpy() for key, value in expected.items()})


WRONG = {
    "unknown": ({"idz": [[1]]}, "has no input 'idz' .did you mean 'ids'.*; its inputs: ids; optional: off"),
    "missing": ({"offsets": [[1.0]]}, "needs input 'ids'; given: 'offsets'; its inputs: ids; optional: offs"),
    "none": ({"ids": None}, "needs input 'ids'"),
    "empty": ({}, "needs input 'ids'; given: none"),
    "list": ([[[1]]], "takes a dictionary of inputs by name, got list"),
    "tensor": (tf.constant([[1]]), "takes a dictionary of inputs by name, got EagerTensor"),
    "rank": ({"ids": [1, 2]}, r"input 'ids' has shape \[2\], expected \[any, any\]"),
    "rank above": ({"ids": [[[1]]]}, r"input 'ids' has shape \[1, 1, 1\], expected \[any, any\]"),
    "kind": ({"ids": [[0.5]]}, "input 'ids' holds float64, expected int32"),
    "text": ({"ids": [["a"]]}, "input 'ids' holds str32, expected int32"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_named_in_the_users_terms(model, case):
    inputs, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        model(inputs)


def test_a_wrong_size_is_named():
    one = build_functional([("sum", ToySum(), ["x"])], [("x", (None, 3), "float32")], {"y": "sum"}, "one")
    with pytest.raises(InputError, match=r"input 'x' has shape \[2, 4\], expected \[any, 3\]"):
        one({"x": np.ones((2, 4))})


def test_wiring_mistakes_are_named():
    block, inputs = ToyEmbedding(vocab=3, size=2), [("ids", (None,), "int32")]
    for nodes, outputs, message in [
        ([("a", block, ["idz"])], {"y": "a"}, r"node 'a' reads 'idz', .*; there are \['ids'\]"),
        ([("a", block, ["ids"])], {"y": "a"}, r"'y' reads 'a', .* outputs \['hidden', 'table'\]"),
        ([("a", block, ["ids"])], {"y": ("a", "b")}, "output 'y' reads"),
        ([("ids", block, ["ids"])], {"y": "ids"}, "two inputs or nodes are called 'ids'"),
    ]:
        with pytest.raises(ValueError, match=message):
            build_functional(nodes, inputs, outputs, "wrong")


def user_model(inner: keras.Model) -> keras.Model:
    """A user's functional model: some optional inputs never given, others optional in turn."""
    ids = keras.Input((None,), dtype="int64", name="my_ids")
    positions = keras.Input((None,), dtype="int32", name="my_positions")
    labels = keras.Input((None,), dtype="int32", name="my_labels", optional=True)
    weights = keras.Input((None,), name="my_weights", optional=True)
    given = {"position_labels": labels, "ids": ids, "position_weights": weights, "positions": positions}
    outputs = inner(given)
    assert set(outputs) == {"hidden_states", "logits", "picked_logits", "loss", "toy_numerator"}
    small = inner({"ids": ids})
    assert set(small) == {"hidden_states", "logits"}
    assert small["logits"].shape == (None, None, VOCAB)
    head = keras.layers.Dense(2, name="mine")
    result = {"mine": head(outputs["picked_logits"]), "small": small["logits"], "theirs": outputs["loss"]}
    return keras.Model([ids, positions, labels, weights], result)


def check_user_model(outer: keras.Model, inner: keras.Model) -> None:
    inputs = draw_inputs(("ids", "positions", "position_labels", "position_weights"))
    expected = formula(weights_of(inner), inputs)
    kernel, bias = (weight.numpy() for weight in outer.get_layer("mine").weights)
    mine = expected["picked_logits"] @ kernel + bias
    got = outer(list(inputs.values()))
    assert_same(got, {"mine": mine, "small": expected["logits"], "theirs": expected["loss"]})
    got = outer([inputs["ids"], inputs["positions"], None, None])
    assert got.pop("theirs") is None
    assert_same(got, {"mine": mine, "small": expected["logits"]})


def test_it_serves_as_a_layer_of_a_users_functional_model(model):
    outer = user_model(model)
    check_user_model(outer, model)
    values = list(draw_inputs(("ids", "positions", "position_labels", "position_weights")).values())
    expected = {name: value.numpy() for name, value in outer(values).items()}
    assert_same(tf.function(outer)(values), expected)
    inputs = [keras.Input(value.shape[1:], dtype=value.dtype.name) for value in values]
    assert_same(keras.Model(inputs, outer(inputs))(values), expected)


def test_a_users_model_on_top_trains_the_weights_beneath():
    inner = make_model()
    ids = keras.Input((None,), dtype="int32")
    outer = keras.Model(ids, keras.layers.Dense(1)(inner({"ids": ids})["hidden_states"]))
    before = weights_of(inner)
    outer.compile("sgd", loss="mse", jit_compile=False)
    outer.fit(draw_inputs()["ids"], np.zeros((2, 5, 1)), verbose=0)
    moved = {name for name, value in weights_of(inner).items() if (value != before[name]).any()}
    assert moved == set(before) - {"head.bias"}


def test_a_function_is_traced_once_for_each_set_of_inputs(model):
    traces = []

    @tf.function
    def run(inputs):
        traces.append(sorted(inputs))
        return model(inputs)

    for _ in range(2):
        for names in SUBSETS:
            inputs = draw_inputs(names)
            run({name: tf.constant(inputs[name]) for name in reversed(names)})
    assert traces == [sorted(names) for names in SUBSETS]


def test_copies_compute_the_same_and_stay_apart():
    model = make_model()
    inputs = draw_inputs()
    expected = formula(weights_of(model), inputs)
    twin = copy.deepcopy(model)
    for weight in model.weights:
        weight.assign(tf.zeros_like(weight))
    assert_same(twin(inputs), expected)


def test_the_training_flag_reaches_a_nested_layer():
    class ToyDropout(Block):
        def __init__(self, *, inner: keras.layers.Layer, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    block = ToyDropout(inner=keras.layers.Dropout(0.5))
    model = build_functional([("drop", block, ["x"])], [("x", (None, 3), "float32")], {"y": "drop"}, "drop")
    ones = {"x": np.ones((40, 3))}
    assert np.ptp(model(ones)["y"]) == 0
    assert np.ptp(model(ones, training=True)["y"]) == 2
    assert np.ptp(tf.function(model)(ones, training=True)["y"]) == 2


def test_one_tensor_may_be_two_outputs_and_an_input_may_go_unused():
    inputs = [("x", (None, 3), "float32"), ("unused", (None,), "int32", True)]
    model = build_functional([("s", ToySum(), ["x", "x"])], inputs, {"a": "s", "b": "s", "c": "x"}, "alias")
    x = np.arange(6, dtype="float32").reshape(2, 3)
    assert_same(model({"x": x}), {"a": 2 * x, "b": 2 * x, "c": x})


def test_saved_models_load_in_a_fresh_process_and_still_skip_what_is_absent(model, tmp_path):
    inputs = draw_inputs(seed=9)
    np.savez(tmp_path / "inputs.npz", **inputs)
    small = {name: inputs[name] for name in ("offsets", "ids")}
    for case, given in {"all": inputs, "small": small}.items():
        np.savez(tmp_path / f"{case}.npz", **formula(weights_of(model), given))
    model.save(tmp_path / "model.keras")
    outer = user_model(model)
    outer.save(tmp_path / "outer.keras")
    in_fresh_process(
        """
        import sys
        from pathlib import Path
        import numpy as np
        sys.path += sys.argv[2:]
        import zoo_tf, keras, test_container as toys
        folder = Path(sys.argv[1])
        model = keras.models.load_model(folder / "model.keras", safe_mode=True)
        inputs = dict(np.load(folder / "inputs.npz"))
        toys.assert_same(model(inputs), dict(np.load(folder / "all.npz")))
        small = {name: inputs[name] for name in ("ids", "offsets")}
        toys.assert_same(model(small), dict(np.load(folder / "small.npz")))
        model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        assert np.isfinite(model.fit(inputs, verbose=0).history["loss"][0])
        outer = keras.models.load_model(folder / "outer.keras", safe_mode=True)
        toys.check_user_model(outer, outer.get_layer("toy"))
        """,
        tmp_path,
        Path(__file__).parent,
        Path(__file__).parents[1] / "support",
        loaded="tf",
    )


def test_the_serving_signature_takes_features_only_and_needs_tensorflow_alone(model, tmp_path):
    with pytest.raises(InputError, match="needs input 'ids'"):
        zoo_tf.export_serving(model, tmp_path / "saved", ["offsets"])
    with pytest.raises(InputError, match="no input 'idz'"):
        zoo_tf.export_serving(model, tmp_path / "saved", ["ids", "idz"])
    zoo_tf.export_serving(model, tmp_path / "saved", ["positions", "ids"])
    for batch, length in ((1, 4), (3, 6)):
        inputs = draw_inputs(("ids", "positions"), batch, length)
        np.savez(tmp_path / f"inputs{batch}.npz", **inputs)
        np.savez(tmp_path / f"expected{batch}.npz", **formula(weights_of(model), inputs))
    in_fresh_process(
        """
        import sys
        from pathlib import Path
        import numpy as np, tensorflow as tf
        folder = Path(sys.argv[1])
        serve = tf.saved_model.load(str(folder / "saved")).signatures["serving_default"]
        for case in "13":
            inputs = dict(np.load(folder / f"inputs{case}.npz"))
            outputs = serve(**{name: tf.constant(value) for name, value in inputs.items()})
            expected = dict(np.load(folder / f"expected{case}.npz"))
            assert set(outputs) == set(expected), set(outputs)
            for name, value in expected.items():
                np.testing.assert_allclose(outputs[name], value, atol=2e-6 * abs(value).max())
        assert "zoo_tf" not in sys.modules
        """,
        tmp_path,
        loaded="tf",
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_fit_minimises_the_models_own_loss(compiled):
    model = make_model("float64")
    inputs = draw_inputs(batch=6)
    expected = [formula(weights_of(model), inputs)["loss"]]
    with tf.GradientTape() as tape:
        loss = model(inputs)["loss"]
    gradients = tape.gradient(loss, model.trainable_weights)
    after = [
        weight.numpy() - 0.1 * tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
    ]
    model.compile(keras.optimizers.SGD(0.1), jit_compile=compiled)
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(6)
    history = model.fit(data, verbose=0).history
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-6)
    for weight, value in zip(model.trainable_weights, after, strict=True):
        np.testing.assert_allclose(weight.numpy(), value, rtol=1e-7, atol=1e-9)  # Keras' rate is float32
    assert model.fit(data.repeat(20), verbose=0).history["loss"][0] < expected[0]
    assert model.evaluate(data, verbose=0) < expected[0]
    assert set(model.predict(data, verbose=0)) == {"hidden_states", "logits", "picked_logits"}


def test_fit_says_which_inputs_a_loss_is_missing(model):
    model.compile("sgd", jit_compile=False)
    inputs = draw_inputs(("ids", "positions"))
    with pytest.raises(
        InputError, match=r"gave no 'loss', because .* given: ids, positions; the model takes"
    ):
        model.fit(inputs, verbose=0)
    with pytest.raises(InputError, match="would ignore the separate targets"):
        model.fit(draw_inputs(), np.zeros(2), verbose=0)


def test_fit_obeys_a_loss_of_the_users_own(model):
    model.compile("sgd", loss={"logits": "mse"}, jit_compile=False)
    inputs = draw_inputs(("ids",))
    logits = formula(weights_of(model), inputs)["logits"]
    history = model.fit(inputs, {"logits": np.zeros_like(logits)}, verbose=0).history
    np.testing.assert_allclose(history["loss"], [np.mean(logits**2)], rtol=1e-5)


def test_blocks_give_nothing_without_a_required_input_and_run_without_an_optional_one():
    loss = ToyLoss()
    assert loss(tf.zeros((1, 2, 3)), None, None) is None
    logits, labels, weights = tf.zeros((1, 2, 3)), tf.zeros((1, 2), tf.int32), tf.ones((1, 2))
    assert set(loss(logits, labels, weights)) == {"loss", "toy_numerator"}
    assert loss(logits, None, weights) == {"loss": None, "toy_numerator": None}
    assert ToySum()(tf.ones(2), None) is None
    assert ToyDense(inner=keras.layers.Dense(2), scale=1.0)(tf.ones((1, 2)), offsets=None).shape == (1, 2)


def test_a_block_is_rebuilt_from_its_config_with_its_children():
    block = ToyStack(
        layers=[ToyDense(inner=keras.layers.Dense(3, use_bias=False), scale=0.1)],
        extra={"last": keras.layers.Dense(2)},
        name="mine",
        dtype="float64",
        trainable=False,
    )
    again = ToyStack.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    assert (again.name, again.dtype, again.trainable) == ("mine", "float64", False)
    assert again.layers[0].scale == 0.1
    assert not again.layers[0].inner.use_bias
    assert again.extra["last"].units == 2
    with pytest.raises(TypeError, match="keyword arguments only"):
        ToyStack([])


def test_two_blocks_of_one_name_are_refused():
    with pytest.raises(TypeError, match=r"two blocks are called ToySum: .*ToySum and .*<locals>.ToySum"):

        class ToySum(Block):
            pass


def test_a_recording_holds_each_eager_call_and_leaves_no_trace_in_a_function(model):
    inputs = draw_inputs(("ids", "positions"))
    with recording(model) as calls:
        outputs = model(inputs)
    assert [call.path for call in calls] == [
        "embed", "stack.layers.0", "stack.layers.1", "stack", "total", "gathered", "head", "head",
    ]  # fmt: skip
    assert set(calls[0].output) == {"hidden", "table"}
    assert any(call.output is outputs["logits"] for call in calls)
    with recording(model) as calls:
        tf.function(model)(inputs)
    assert calls == []
    model(inputs)
    assert calls == []


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_on_another_backend_is_an_environment_fault(backend):
    in_fresh_process(
        f"""
        import sys, types
        config = types.SimpleNamespace(backend=lambda: {backend!r})
        sys.modules["keras"] = types.SimpleNamespace(config=config)
        from zoo_spec.errors import EnvironmentFault
        try:
            import zoo_tf
        except EnvironmentFault as fault:
            assert "{backend}" in str(fault) and "before keras" in str(fault), fault
        else:
            raise AssertionError
        """
    )


def test_a_missing_tensorflow_says_what_to_install():
    in_fresh_process(
        """
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "tensorflow" else find(name, *rest)
        from zoo_spec.errors import EnvironmentFault
        try:
            import zoo_tf
        except EnvironmentFault as fault:
            assert "pip install 'dualzoo[tf]'" in str(fault), fault
        else:
            raise AssertionError
        """
    )


DECLARED = shared_out("declared", cases(), ("float32", "bfloat16"))


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for dtype, names in DECLARED.items() for name in names]
)
def test_the_shapes_and_dtypes_that_the_graph_declares_are_what_a_trace_finds(name, dtype):
    model = zoo_tf.compile(thin_spec(name), dtype=dtype)
    # With pooled_positions, pooled outputs have a dimension more than they are declared with.
    given = {key: tensor for key, tensor in model.input.items() if key != "pooled_positions"}
    traced = model.compute_output_spec(given)
    assert {key: (found.shape, found.dtype) for key, found in traced.items()} == {
        key: (declared.shape, declared.dtype) for key, declared in model.output.items()
    }
