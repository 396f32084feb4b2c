"""Keras' and TensorFlow's own tools on a compiled model: each works, or says why not; none is silent and idle."""

from __future__ import annotations

import gc
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo_tf
from models import training_model
from small_models import draw_inputs, in_fresh_process, probe_weights, small_spec
from zoo_spec.errors import InputError
from zoo_tf import optimizers
from zoo_tf.blocks.norm import BatchNorm

LABELS = ("masked_ids", "masked_weights", "next_sentence_labels")


@pytest.fixture(scope="module")
def graph():
    return small_spec("bert_base", "model.dropout=0.0", "model.attention_dropout=0.0").graph()


@pytest.fixture
def model(graph):
    model = zoo_tf.compile(graph)
    zoo_tf.set_weights(model, probe_weights(graph))
    return model


@pytest.fixture(scope="module")
def inputs(graph):
    return draw_inputs(graph, [name for name in graph.inputs if name != "pooled_positions"], batch=4)


def values(model, inputs):
    return {name: value.numpy() for name, value in model(inputs).items()}


def assert_equal(found, expected, tolerance=0.0):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance, err_msg=name)


@pytest.fixture
def policy():
    """Sets the global policy for a test; after each, the session is cleared, and the policy with it."""
    floatx = keras.config.floatx()
    yield keras.config.set_dtype_policy
    keras.config.set_floatx(floatx)
    keras.utils.clear_session()


@pytest.mark.parametrize(
    ("name", "dtype"), [("float64", "float64"), ("mixed_bfloat16", "bfloat16"), ("float32", "float32")]
)
def test_a_model_is_compiled_by_the_global_policy_unless_a_dtype_is_given(graph, inputs, policy, name, dtype):
    policy(name)
    features = {key: value for key, value in inputs.items() if key not in LABELS}
    assert zoo_tf.compile(graph)(features)["hidden_states"].dtype == dtype
    assert zoo_tf.compile(graph, dtype="float32")(features)["hidden_states"].dtype == "float32"


@pytest.mark.parametrize("name", ["mixed_float16", "bfloat16", "float16"])
def test_a_global_policy_that_no_model_computes_in_is_refused(graph, policy, name):
    policy(name)
    with pytest.raises(InputError, match=rf"policy is '{name}', .* set one of these, or give compile\(\)"):
        zoo_tf.compile(graph)


def test_floatx_is_obeyed_before_and_after(graph, policy):
    assert {variable.dtype for variable in zoo_tf.compile(graph).variables} == {"float32"}
    keras.config.set_floatx("float64")
    assert {variable.dtype for variable in zoo_tf.compile(graph).variables} == {"float64"}
    assert keras.layers.Dense(1).compute_dtype == "float64"


@pytest.mark.parametrize("how", ["clone", "config", "json", "pickle", "tensors"])
def test_a_copy_has_the_class_the_values_and_the_optional_inputs(model, inputs, how):
    if how == "clone":
        copy = keras.models.clone_model(model)
    elif how == "tensors":
        fresh = {
            name: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
            for name, tensor in model.input.items()
        }
        copy = keras.models.clone_model(model, input_tensors=fresh)
    elif how == "config":
        copy = type(model).from_config(model.get_config())
    elif how == "json":
        copy = keras.models.model_from_json(model.to_json())
    else:
        copy = pickle.loads(pickle.dumps(model))
    assert type(copy) is type(model)
    copy.set_weights(model.get_weights())
    features = {name: value for name, value in inputs.items() if name not in LABELS}
    for given in (inputs, features, {"input_ids": inputs["input_ids"]}):
        assert_equal(values(copy, given), values(model, given))
    assert "loss" not in copy(features)
    assert zoo_tf.get_weights(copy).keys() == zoo_tf.get_weights(model).keys()


def test_what_is_frozen_inside_a_block_is_not_trained_and_stays_frozen_in_copies(
    graph, model, inputs, tmp_path
):
    model.get_layer("encoder").layers[0].attention.query.trainable = False
    model.get_layer("embeddings").trainable = False
    before = zoo_tf.get_weights(model)
    model.compile(optimizers.AdamW(1e-2), jit_compile=False)
    model.fit(inputs, verbose=0)
    after = zoo_tf.get_weights(model)
    same = {name for name in after if (after[name] == before[name]).all()}
    frozen = {name for name in after if name.startswith(("embeddings", "encoder.layers.0.attention.query"))}
    assert frozen <= same
    # A bias of the keys moves nothing: softmax forgets it.
    assert {name for name in same - frozen if not name.endswith("key.bias")} == set()
    model.save(tmp_path / "model.keras")
    for copy in (keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert len(copy.trainable_weights) == len(model.trainable_weights) == len(after) - len(frozen)


def test_a_run_of_a_spec_refuses_a_layer_that_was_frozen_behind_it(graph, inputs):
    made = training_model("tf", graph, small_spec("bert_base").training, "float32")
    made.model.get_layer("pooler").trainable = False
    with pytest.raises(
        InputError, match=r"pooler.dense.weight is frozen .* a run trains everything that training\.freeze"
    ):
        made.train_step([inputs], None, 0.1)


def test_a_frozen_batch_norm_leaves_its_statistics_alone():
    norm = BatchNorm(channels=3, epsilon=1e-5, decay=0.9)
    x = tf.constant(np.random.default_rng(0).normal(2, 3, (8, 3)).astype("float32"))
    norm.trainable = False
    np.testing.assert_allclose(norm(x, training=True), x / np.sqrt(1 + 1e-5), rtol=1e-6)
    assert (norm.moving_mean.numpy() == 0).all()
    norm.trainable = True
    norm(x, training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * x.numpy().mean(0), rtol=1e-5)


def test_what_blocks_have_no_form_for_is_refused_by_name(graph, model):
    with pytest.raises(InputError, match="model 'bert_base' is of blocks that have no quantized form"):
        model.quantize("int8")
    dense = model.get_layer("encoder").layers[0].attention.query
    with pytest.raises(InputError, match=r"\(Dense\) has no LoRA form"):
        dense.enable_lora(4)
    token = keras.Input((None,), dtype="int32", name="input_ids")
    outer = keras.Model(token, keras.layers.Dense(2, name="mine")(model({"input_ids": token})["pooled"]))
    outer(np.zeros((1, 3), "int32"))
    with pytest.raises(InputError, match="has no quantized form"):
        outer.quantize("int8")
    outer.quantize("int8", filters="^mine$")
    with (
        keras.RematScope(mode="full"),
        pytest.raises(InputError, match="RematScope knows no optional inputs"),
    ):
        zoo_tf.compile(graph)


@pytest.mark.parametrize(
    ("compiled", "given", "message"),
    [
        ({}, {"class_weight": {0: 1.0, 1: 2.0}}, "would ignore class_weight"),
        ({}, {"sample_weight": np.ones(4)}, "would ignore sample_weight"),
        ({"loss_weights": [2.0]}, {}, "would ignore loss_weights"),
        ({"metrics": {"next_sentence_logits": ["accuracy"]}}, {}, "would ignore metrics"),
    ],
)
def test_weights_and_metrics_that_would_be_ignored_beside_the_own_loss_are_refused(
    model, inputs, compiled, given, message
):
    model.compile("sgd", **compiled)
    with pytest.raises(InputError, match=message):
        model.fit(inputs, verbose=0, **given)
    with pytest.raises(InputError, match=message):
        model.train_on_batch(inputs, **given)


def adamw(gradients, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, decay=0.004):
    """Loshchilov and Hutter, 2019: a variable that begins at one, after each gradient."""
    value, first, second = np.ones_like(gradients[0]), 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        root = np.sqrt(second / (1 - beta_2**step)) + epsilon
        value = value * (1 - rate * decay) - rate * first / (1 - beta_1**step) / root
        yield value


def run_adamw(gradients, **options):
    variable = keras.Variable(np.ones(gradients[0].shape), dtype="float64")
    optimizer = optimizers.AdamW(0.125, **options)
    for gradient in gradients:
        optimizer.apply(
            [gradient if isinstance(gradient, tf.IndexedSlices) else tf.constant(gradient)], [variable]
        )
    return variable.numpy()


def test_kerass_options_of_an_optimizer_do_what_they_say():
    gradients = list(np.random.default_rng(0).normal(size=(6, 3)))
    plain = list(adamw(gradients, 0.125))
    np.testing.assert_allclose(run_adamw(gradients), plain[-1], rtol=1e-9)
    pairs = [(a + b) / 2 for a, b in zip(gradients[::2], gradients[1::2], strict=True)]
    accumulated = run_adamw(gradients, gradient_accumulation_steps=2)
    np.testing.assert_allclose(accumulated, list(adamw(pairs, 0.125))[-1], rtol=1e-9)
    np.testing.assert_allclose(
        run_adamw([8 * gradient for gradient in gradients], loss_scale_factor=8.0), plain[-1], rtol=1e-9
    )
    mean = plain[0]
    for value in plain[1:]:
        mean = 0.5 * mean + 0.5 * value
    averaged = run_adamw(gradients, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=6)
    np.testing.assert_allclose(averaged, mean, rtol=1e-6)
    # Rows of an embedding, one of them used twice: the norm is that of their sum.
    rows = [np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 0.0]])]
    slices = tf.IndexedSlices(
        tf.constant([[2.0, 0.0], [1.0, 0.0], [1.0, 0.0]], tf.float64),
        tf.constant([0, 1, 0]),
        tf.constant([3, 2], tf.int64),
    )
    clipped = list(adamw([rows[0] / np.sqrt(10)], 0.125))[-1]
    np.testing.assert_allclose(run_adamw([slices], global_clipnorm=1.0), clipped, rtol=1e-6)


def test_a_model_trains_when_another_that_keras_trained_is_gone():
    def losses():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, kernel_initializer="ones")])
        model.compile(optimizers.AdamW(0.125), loss="mse")
        return model.fit(np.ones((8, 4)), np.ones((8, 4)), epochs=3, verbose=0).history["loss"]

    first = losses()
    gc.collect()
    assert losses() == first
    assert first[-1] < first[0]


def test_a_loss_scale_optimizer_gives_the_same_steps():
    def losses(optimizer):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, kernel_initializer="ones")])
        model.compile(optimizer, loss="mse", jit_compile=False)
        return model.fit(np.ones((8, 4)), np.ones((8, 4)), epochs=3, verbose=0).history["loss"]

    plain = losses(optimizers.AdamW(0.125))
    scaled = losses(keras.optimizers.LossScaleOptimizer(optimizers.AdamW(0.125)))
    np.testing.assert_allclose(scaled, plain, rtol=1e-5)
    assert plain[-1] < plain[0]


def test_replicas_train_as_one_does():
    in_fresh_process(
        """
        import contextlib
        import numpy as np
        import tensorflow as tf
        cpu, = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        import zoo_tf, keras
        from zoo_spec import load_spec; from zoo_spec.training import optimizers as specs
        from zoo_tf import optimizers

        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        draw = np.random.default_rng(0)

        # Steps of the user's own: two variables of one shape, so that one's moments may be taken for the other's.
        gradients = draw.normal(size=(10, 2, 2, 3))  # step, replica, variable, size

        def steps(spec, strategy, compiled):
            with strategy.scope() if strategy else contextlib.nullcontext():
                variables = {name: keras.Variable(np.ones(3), dtype="float64") for name in "ab"}
                roles = dict.fromkeys(variables, "weight")
                optimizer = optimizers.make_optimizer(spec, variables, roles)

            def replica(step):
                given = tf.gather(tf.constant(gradients), step)
                if strategy:
                    own = tf.gather(given, tf.distribute.get_replica_context().replica_id_in_sync_group)
                else:
                    own = tf.reduce_sum(given, 0)
                return optimizer.apply(dict(zip(variables, tf.unstack(own))), tf.constant(0.1, tf.float64))

            run = (lambda step: strategy.run(replica, (step,))) if strategy else replica
            run = tf.function(run) if compiled else run
            for step in range(len(gradients)):
                run(tf.constant(step))
            found = [value for v in variables.values() for value in getattr(v.value, "values", (v.value,) * 2)]
            return np.array([value.numpy() + 0.0 for value in found])

        for spec, modes in (
            (specs.AdamW(max_gradient_norm=1.0), (True, False)),
            (specs.Sgd(momentum=0.9, max_gradient_norm=1.0), (True,)),
        ):
            expected = steps(spec, None, True)
            for compiled in modes:
                np.testing.assert_allclose(steps(spec, mirrored, compiled), expected, rtol=0, atol=1e-12)

        # A batch norm of all replicas' rows.
        rows, weights = draw.normal(size=(2, 6, 3, 4))

        def normalised(strategy, parts):
            with strategy.scope() if strategy else contextlib.nullcontext():
                norm = zoo_tf.blocks.norm.BatchNorm(
                    channels=4, epsilon=1e-5, decay=0.9, synchronized=True, dtype="float64"
                )
                norm(rows[:1])

            def replica():
                own = tf.distribute.get_replica_context().replica_id_in_sync_group
                x, w = (tf.gather(tf.constant(np.stack(np.split(each, parts))), own) for each in (rows, weights))
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    y = norm(x, training=True)
                    loss = tf.reduce_sum(y * w)
                return y, tape.gradient(loss, x)

            gave = tf.function(lambda: strategy.run(replica) if strategy else replica())()
            moved = norm.moving_variance.value
            return [
                *(np.concatenate([part.numpy() for part in getattr(each, "values", [each])]) for each in gave),
                *(part.numpy() for part in getattr(moved, "values", [moved] * 2)),
            ]

        for found, expected in zip(normalised(mirrored, 2), normalised(None, 1)):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)

        # Keras' fit: 5 rows are 3 and 2, and the labels are not spread evenly.
        graph = load_spec("bert_tiny", ["model.hidden_size=8", "model.num_heads=2", "model.vocab_size=40",
            "model.intermediate_size=8", "model.num_layers=1", "model.dropout=0.0",
            "model.attention_dropout=0.0"]).graph()
        inputs = {
            "input_ids": draw.integers(0, 40, (5, 6)).astype("int32"),
            "masked_positions": draw.integers(0, 6, (5, 2)).astype("int32"),
            "masked_ids": draw.integers(0, 40, (5, 2)).astype("int32"),
            "masked_weights": np.array([[0, 0], [3, 0.5], [1, 1], [1, 0], [0, 0]], "float32"),
            "next_sentence_labels": draw.integers(0, 2, 5).astype("int32"),
        }

        def fit(strategy):
            with strategy.scope() if strategy else contextlib.nullcontext():
                model = zoo_tf.compile(graph, dtype="float64")
                model.compile(optimizers.AdamW(1e-2), jit_compile=False)
            history = model.fit(inputs, batch_size=5, epochs=10, shuffle=False, verbose=0).history["loss"]
            return history, model

        losses, alone = fit(None)
        assert losses[-1] < losses[0]
        other_losses, replicated = fit(mirrored)
        np.testing.assert_allclose(other_losses, losses, rtol=1e-6)  # Keras' trackers are float32.
        evaluated = replicated.evaluate(inputs, batch_size=5, verbose=0)
        np.testing.assert_allclose(evaluated, float(alone(inputs)["loss"]), rtol=1e-6)
        weights = zoo_tf.get_weights(replicated)
        for name, value in zoo_tf.get_weights(alone).items():
            np.testing.assert_allclose(weights[name], value, rtol=0, atol=1e-12, err_msg=name)
        """,
        loaded="tf",
    )
