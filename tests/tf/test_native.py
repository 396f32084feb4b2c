"""What users of Keras do with any model works on a compiled one, and gives the plain model's values.

Every family that ships is tried at a small size, on inputs that the tool has not seen, with keywords in
another order and with optional inputs left out.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo_tf
from drawn import shared_out, some, turns
from small_models import (
    assert_same,
    assert_worth_comparing,
    cases,
    distinct_subsets,
    draw_inputs,
    expected_outputs,
    in_fresh_process,
    probe_weights,
    shuffled,
    small_spec,
    subsets,
    thin_spec,
)
from zoo_common.weights import Arrays, InitialValues
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_tf.compiling import _assemble
from zoo_tf.leaves import named_variables, to_canonical
from zoo_tf.weights import fill, without_memory

TOLERANCE = 4e-6
"""Of float32, between two ways to compute one model; seen: 1.3e-6."""
FRESH = {"seed": 5, "batch": 2, "sequence": 9, "target_sequence": 8, "predictions": 2, "examples": 3}
"""Other values and other sizes than those that a tool has seen."""


FITTED = shared_out("fit", cases(), ("arrays", "pipeline"))
"""Of what the step that ``fit`` compiles is fed: a family takes turns."""
TRACED = shared_out("traced", cases(), ("as it is", "outputs by XLA", "gradients by XLA"))
"""Of what becomes of a trace: XLA begins with the same, and the way back goes through what leads to the outputs."""


@pytest.fixture(params=cases())
def case(request):
    return request.param


@pytest.fixture
def graph(case):
    return thin_spec(case).graph()


@pytest.fixture
def model(case):
    return shared_model(case)


def shared_model(case: str, dtype: str = "float32") -> keras.Model:
    """What all tests of a family have in common, made once, with the probes' weights again."""
    model = _made(case, dtype)
    zoo_tf.set_weights(model, _weights(case))
    return model


@cache
def _made(case: str, dtype: str) -> keras.Model:
    return zoo_tf.compile(thin_spec(case).graph(), seed=0, dtype=dtype)


@cache
def _weights(case: str) -> dict[str, np.ndarray]:
    return probe_weights(thin_spec(case).graph())


def make_model(graph: Graph, dtype: str = "float32") -> keras.Model:
    model = zoo_tf.compile(graph, seed=0, dtype=dtype)
    zoo_tf.set_weights(model, probe_weights(graph))
    return model


def run(model, inputs) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model(inputs).items()}


def tensors(inputs) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value) for name, value in inputs.items()}


def signature(graph: Graph, names) -> dict[str, tf.TensorSpec]:
    def shape(name):
        return [size if isinstance(size, int) else None for size in graph.inputs[name].shape]

    dtypes = {"float": tf.float32, "float32": tf.float32, "int32": tf.int32}
    return {name: tf.TensorSpec(shape(name), dtypes[graph.inputs[name].dtype], name=name) for name in names}


def test_outputs_are_worth_comparing(model, graph):
    names = subsets(graph)["everything"]
    outputs = run(model, draw_inputs(graph, names))
    assert set(outputs) == expected_outputs(graph, names)
    assert_worth_comparing(outputs, run(model, draw_inputs(graph, names, seed=1)))


def test_outputs_of_absent_inputs_are_absent_and_the_rest_stay(case, model, graph):
    chosen = turns("absent", cases(), case, list(subsets(graph)))
    for subset, names in subsets(graph).items():
        inputs = draw_inputs(graph, names)
        outputs = run(model, inputs)
        assert set(outputs) == expected_outputs(graph, names)
        if subset not in chosen:
            continue
        assert_same(run(model, shuffled(inputs)), outputs, 0)
        assert_same(run(model, {**dict.fromkeys(graph.inputs), **inputs}), outputs, 0)
        without_labels = run(model, {name: inputs[name] for name in inputs if name not in graph.labels})
        assert "loss" not in without_labels
        assert_same(without_labels, {name: outputs[name] for name in without_labels}, 0)


@pytest.mark.parametrize("case", TRACED["as it is"])
def test_one_trace_of_a_function_serves_all_sizes(case, model, graph):
    for names in turns("one trace", cases(), case, distinct_subsets(graph), count=2):
        function = tf.function(lambda inputs: model(inputs), input_signature=[signature(graph, names)])
        for how in ({}, FRESH):
            inputs = draw_inputs(graph, names, **how)
            assert_same(run(function, shuffled(tensors(inputs))), run(model, inputs), TOLERANCE)
        assert function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("case", TRACED["outputs by XLA"])
def test_a_function_compiled_by_xla_gives_the_same(case, model, graph):
    for subset, how in turns("xla inputs", cases(), case, [("everything", FRESH), ("required", {})]):
        names = subsets(graph)[subset]
        function = tf.function(
            lambda inputs: model(inputs), jit_compile=True, input_signature=[signature(graph, names)]
        )
        inputs = draw_inputs(graph, names, **how)
        assert_same(run(function, shuffled(tensors(inputs))), run(model, inputs), TOLERANCE)


def test_a_function_compiled_by_xla_serves_other_sizes():
    graph = small_spec("bert_base").graph()
    model, names = make_model(graph), subsets(graph)["everything"]
    function = tf.function(
        lambda inputs: model(inputs), jit_compile=True, input_signature=[signature(graph, names)]
    )
    for how in ({}, FRESH):
        inputs = draw_inputs(graph, names, **how)
        assert_same(run(function, tensors(inputs)), run(model, inputs), TOLERANCE)
    assert function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("case", TRACED["gradients by XLA"])
def test_gradients_compiled_by_xla_are_the_same(model, graph):
    inputs = tensors(draw_inputs(graph, subsets(graph)["everything"]))

    def gradients():
        with tf.GradientTape() as tape:
            loss = model(inputs)["loss"]
        found = tape.gradient(loss, model.trainable_variables)
        return {path: tf.convert_to_tensor(each) for path, each in zip(paths, found, strict=True)}

    paths = [variable.path for variable in model.trainable_variables]
    plain = {name: value.numpy() for name, value in gradients().items()}
    compiled = {name: value.numpy() for name, value in tf.function(gradients, jit_compile=True)().items()}
    largest = max(np.abs(value).max() for value in plain.values())
    for name, value in plain.items():
        assert np.abs(compiled[name] - value).max() <= TOLERANCE * largest, name


def test_the_summary_lists_every_node_and_counts_every_parameter(model, graph):
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=200)
    text = "\n".join(lines)
    # A node that shares weights is the same layer, called again.
    assert all(f"{node.owner} (" in text for node in graph.nodes.values())
    assert f"Total params: {graph.parameter_count:,}" in text
    assert model.count_params() == graph.parameter_count


def users_model(model: keras.Model, graph: Graph, names) -> keras.Model:
    """A user's functional model of these inputs, in another order, around ours, with a layer of its own."""
    inputs = {
        name: keras.Input(batch_shape=spec.shape, dtype=spec.dtype, name=name)
        for name, spec in shuffled(signature(graph, names)).items()
    }
    outputs = model(inputs)
    first = graph_features_output(graph, names)
    mine = keras.layers.Dense(2, name="mine", kernel_initializer="ones")(outputs[first])
    return keras.Model(inputs, {**outputs, "mine": mine})


def graph_features_output(graph: Graph, names) -> str:
    """An output that is no scalar."""
    present = expected_outputs(graph, names)
    return next(name for name, spec in graph.outputs.items() if name in present and spec.shape)


def test_it_is_a_layer_of_a_users_functional_model(case, model, graph):
    for names in turns("users_model", cases(), case, distinct_subsets(graph)):
        outer = users_model(model, graph, names)
        inputs = draw_inputs(graph, names, **FRESH)
        expected = run(model, inputs)
        outputs = run(outer, inputs)
        mine = outputs.pop("mine")
        assert_same(outputs, expected, 0)
        by_hand = expected[graph_features_output(graph, names)].sum(-1, keepdims=True)
        np.testing.assert_allclose(mine, np.broadcast_to(by_hand, mine.shape), rtol=1e-4, atol=1e-4)
    # That a graph holds what runs here is the same for any of them.
    function = tf.function(lambda given: outer(given))
    assert_same(run(function, tensors(inputs)), {**expected, "mine": mine}, TOLERANCE)


SAVED = shared_out("saved", cases(), ("alone", "float64", "outer"))
"""How a family is saved: all layers write down what they are made of in any of these."""


def saved_subsets(case: str) -> list[str]:
    return turns("saved inputs", cases(), case, list(subsets(thin_spec(case).graph())), count=2)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What saved models give in another process, where nothing but zoo_tf is imported."""
    folder = tmp_path_factory.mktemp("saved")
    for case in cases():
        graph = thin_spec(case).graph()
        model = shared_model(case)
        if case in SAVED["alone"]:
            model.save(folder / f"{case}.keras")
        if case in SAVED["float64"]:
            shared_model(case, "float64").save(folder / f"{case}-float64.keras")
        if case in SAVED["outer"]:
            users_model(model, graph, subsets(graph)["features"]).save(folder / f"{case}-outer.keras")
        given = {
            subset: shuffled(draw_inputs(graph, names, **FRESH)) for subset, names in subsets(graph).items()
        }
        for subset in saved_subsets(case):
            np.savez(folder / f"{case}.{subset}.inputs.npz", **given[subset])
        np.savez(folder / f"{case}-outer.features.inputs.npz", **given["features"])
        np.savez(folder / f"{case}-float64.everything.inputs.npz", **given["everything"])
    in_fresh_process(
        """
        import sys
        from pathlib import Path
        import numpy as np
        import zoo_tf, keras
        for path in Path(sys.argv[1]).glob("*.keras"):
            model = keras.models.load_model(path, safe_mode=True)
            for inputs in path.parent.glob(f"{path.stem}.*.inputs.npz"):
                outputs = model(dict(np.load(inputs)))
                np.savez(str(inputs).replace("inputs", "outputs"), **outputs)
        """,
        folder,
        loaded="tf",
    )
    return folder


@pytest.mark.parametrize("case", SAVED["alone"])
def test_a_saved_model_gives_the_same_in_a_fresh_process(elsewhere, case, model, graph):
    for subset in saved_subsets(case):
        with np.load(elsewhere / f"{case}.{subset}.outputs.npz") as found:
            inputs = draw_inputs(graph, subsets(graph)[subset], **FRESH)
            assert_same(dict(found), run(model, inputs), TOLERANCE)


@pytest.mark.parametrize("case", SAVED["float64"])
def test_a_saved_model_of_float64_gives_the_same_in_a_fresh_process(elsewhere, case, graph):
    everything = draw_inputs(graph, subsets(graph)["everything"], **FRESH)
    with np.load(elsewhere / f"{case}-float64.everything.outputs.npz") as found:
        assert_same(dict(found), run(shared_model(case, "float64"), everything), 1e-13)


@pytest.mark.parametrize("case", SAVED["outer"])
def test_a_saved_model_of_a_users_around_it_gives_the_same_in_a_fresh_process(elsewhere, case, model, graph):
    features = subsets(graph)["features"]
    with np.load(elsewhere / f"{case}-outer.features.outputs.npz") as found:
        outputs = dict(found)
    assert outputs.pop("mine").shape[-1] == 2
    assert_same(outputs, run(model, draw_inputs(graph, features, **FRESH)), TOLERANCE)


def served_subsets(case: str) -> list[str]:
    return turns("served", cases(), case, ("features", "required"))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """What exported models give in a process with TensorFlow alone, and no Keras, which it would import."""
    folder = tmp_path_factory.mktemp("served")
    for case in cases():
        graph = thin_spec(case).graph()
        model = shared_model(case)
        for subset in served_subsets(case):
            names = subsets(graph)[subset]
            zoo_tf.export_serving(model, folder / f"{case}.{subset}", names)
            np.savez(folder / f"{case}.{subset}.inputs.npz", **shuffled(draw_inputs(graph, names, **FRESH)))
    in_fresh_process(
        """
        import sys
        from pathlib import Path
        sys.modules.update(dict.fromkeys(["keras", "zoo_tf", "zoo_spec", "zoo_common"]))
        import numpy as np, tensorflow as tf
        for path in Path(sys.argv[1]).glob("*.inputs.npz"):
            loaded = tf.saved_model.load(str(path).replace(".inputs.npz", ""))
            given = {name: tf.constant(value) for name, value in np.load(path).items()}
            serve = loaded.signatures["serving_default"]
            assert set(serve.structured_input_signature[1]) == set(given), serve.structured_input_signature
            np.savez(str(path).replace("inputs", "outputs"), **serve(**given))
        assert not any(name.startswith(("keras.", "zoo_")) and "." in name for name in sys.modules)
        """,
        folder,
    )
    return folder


def test_tensorflow_alone_serves_the_exported_features(served, case, model, graph):
    for subset in served_subsets(case):
        names = subsets(graph)[subset]
        with np.load(served / f"{case}.{subset}.outputs.npz") as found:
            assert set(found) == expected_outputs(graph, names)
            assert_same(dict(found), run(model, draw_inputs(graph, names, **FRESH)), TOLERANCE)


STEPS = 20


@pytest.mark.parametrize("case", FITTED["arrays"])
def test_fit_learns_a_batch_and_evaluate_gives_the_models_own_value(graph):
    model = zoo_tf.compile(graph, seed=0)
    inputs = draw_inputs(graph, subsets(graph)["everything"], batch=6)
    before = float(model(inputs)["loss"])
    model.compile(keras.optimizers.Adam(3e-3))
    # The same batch again and again, without what an epoch takes beside its steps.
    again = {name: np.concatenate([value] * STEPS) for name, value in inputs.items()}
    losses = model.fit(shuffled(again), epochs=2, batch_size=6, shuffle=False, verbose=0).history["loss"]
    after = float(model(inputs)["loss"])
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]
    assert after < 0.9 * before
    assert model.evaluate(inputs, batch_size=6, verbose=0) == pytest.approx(after, rel=1e-5)


def test_predict_gives_the_models_own_values(case, model, graph):
    inputs = draw_inputs(graph, subsets(graph)["everything"], batch=6)
    for subset in turns("predict", cases(), case, ("features", "required")):
        features = {name: inputs[name] for name in subsets(graph)[subset] if name in inputs}
        # Batches of 4 and 2, which are put together again.
        predicted = model.predict(shuffled(features), batch_size=4, verbose=0)
        assert_same(predicted, run(model, features), TOLERANCE)


@pytest.mark.parametrize("case", FITTED["pipeline"])
def test_a_tf_data_pipeline_feeds_fit_with_optional_inputs_left_out(graph):
    model = zoo_tf.compile(graph, seed=0)
    needed = {node.inputs[port].source for node in graph.nodes.values() for port in node.required}
    inputs = draw_inputs(graph, [name for name in graph.inputs if name in needed], batch=4)
    expected = float(model(inputs)["loss"])
    model.compile(keras.optimizers.SGD(0.01))
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(4)
    assert model.evaluate(data, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(model.fit(data.repeat(2), verbose=0, shuffle=False).history["loss"]).all()


def test_a_bfloat16_model_is_compiled_saved_and_served(tmp_path):
    graph = small_spec("bert_base").graph()
    model = make_model(graph, "bfloat16")
    names = subsets(graph)["features"]
    inputs = draw_inputs(graph, names, **FRESH)
    expected, wide = run_wide(model, inputs), run(make_model(graph), inputs)
    model.save(tmp_path / "model.keras")
    zoo_tf.export_serving(model, tmp_path / "served", names)
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    for tool in (
        tf.function(lambda given: model(given), input_signature=[signature(graph, names)]),
        keras.models.load_model(tmp_path / "model.keras"),
        lambda given: serve(**given),
    ):
        found = run_wide(tool, tensors(shuffled(inputs)))
        assert_same(
            found, expected, 0.03
        )  # A graph fuses what is rounded between single operations; seen: 0.016.
        assert_same(found, wide, 0.06)  # Seen: 0.026.
    assert any(np.abs(wide[name] - expected[name]).max() > 1e-4 for name in wide)


def run_wide(model, inputs) -> dict[str, np.ndarray]:
    """The outputs in float32: NumPy has no bfloat16."""
    return {name: tf.cast(value, tf.float32).numpy() for name, value in model(inputs).items()}


def test_dropout_works_in_training_and_only_then(case, model, graph):
    inputs = draw_inputs(graph, subsets(graph)["everything"])
    first, second = (float(model(inputs, training=True)["loss"]) for _ in range(2))
    drops = getattr(small_spec(case).model, "dropout", 0) > 0
    assert (first != second) == drops
    assert_same(run(model, inputs), run(model, inputs), 0)


def test_weights_keep_their_names_and_values(model, graph):
    weights, table = zoo_tf.get_weights(model), graph.parameters()
    assert {name: value.shape for name, value in weights.items()} == {
        name: parameter.shape for name, parameter in table.items()
    }
    assert len(model.weights) == len(table)
    assert_same(weights, probe_weights(graph), 0)


def test_set_weights_is_strict_and_changes_nothing_when_it_refuses(model):
    before = zoo_tf.get_weights(model)
    first = next(iter(before))
    zeros = {name: np.zeros_like(value) for name, value in before.items()}
    lacking = {name: value for name, value in zeros.items() if name != first}
    for wrong, message in [
        (lacking, f"missing: {first}"),
        ({**zeros, "more": np.zeros(1)}, "unknown: more"),
        ({**zeros, list(zeros)[-1]: np.zeros((1, 2, 3))}, r"has shape \[1, 2, 3\]; this model has"),
    ]:
        with pytest.raises(InputError, match=message):
            zoo_tf.set_weights(model, wrong)
    assert_same(zoo_tf.get_weights(model), before, 0)


def test_gradients_are_the_losses_slopes_for_each_parameter(case, graph):
    # Along a random direction in each parameter in turn; a tied table's is the sum of all its uses.
    model = shared_model(case, "float64")
    inputs = tensors(draw_inputs(graph, subsets(graph)["everything"]))
    loss = tf.function(lambda: model(inputs)["loss"])
    variables = dict(named_variables(model))
    with tf.GradientTape() as tape:
        value = loss()
    found = tape.gradient(value, [variable.value for variable in variables.values()])
    assert [name for name, gradient in zip(variables, found, strict=True) if gradient is None] == []
    gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in found]
    largest = max(np.abs(gradient).max() for gradient in gradients)
    step = 1e-8  # Small, lest a relu turn on or off between the two.
    for (name, variable), gradient in zip(variables.items(), gradients, strict=True):
        direction = np.sign(gradient)
        variable.assign_add(step * direction)
        above = loss().numpy()
        variable.assign_sub(2 * step * direction)
        below = loss().numpy()
        variable.assign_add(step * direction)
        slope = np.abs(gradient).sum()
        assert abs((above - below) / (2 * step) - slope) <= 1e-5 * max(slope, largest), name
        assert to_canonical(variable, gradient).shape == graph.parameters()[name].shape


def test_float64_is_float64_throughout(case, graph):
    model = shared_model(case, "float64")
    assert {str(variable.dtype) for variable in model.variables} == {"float64"}
    outputs = run(model, draw_inputs(graph, subsets(graph)["everything"]))
    assert {value.dtype for value in outputs.values()} == {np.dtype("float64")}


@pytest.mark.parametrize("case", some("policy", cases(), 4))
def test_the_users_dtype_policy_does_not_reach_where_a_dtype_is_given_and_is_not_changed(graph, monkeypatch):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo_tf.compile(graph, dtype="float32")
        assert {layer.dtype_policy.name for layer in model.layers if layer.weights} == {"float32"}
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        monkeypatch.setitem(zoo_tf.compile.__globals__, "build_functional", None)
        with pytest.raises(TypeError):
            zoo_tf.compile(graph, dtype="float64")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


def test_no_variable_has_memory_before_its_value_is_read():
    spec = small_spec("mnist_fc")
    graph = spec.graph()
    values = InitialValues(graph.parameters(), 0)

    class Watched(Arrays):
        """Initial values, and how many variables had theirs when each was read."""

        had: ClassVar[list[int]] = []

        def read(self, name):
            self.had.append(sum(each._value is not None for each in variables))
            return super().read(name)

    with without_memory():
        model = _assemble(graph, "float32")
    variables = [variable for _, variable in named_variables(model)]
    fill(model, Watched(values))
    assert Watched.had == list(range(len(variables)))
    for name, value in zoo_tf.get_weights(model).items():
        np.testing.assert_array_equal(value, values[name])
