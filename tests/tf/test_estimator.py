"""zoo_tf.Estimator, with a user's own model_fn and with a spec. tests/torch/test_runner.py is its twin."""

import os
import re
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf

import launch
import zoo_tf
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.data import batches, open_dataset
from zoo_common.training.session import DivergedError
from zoo_common.training.spec_run import reopen, spec_run
from zoo_common.training.stop import TerminatedError
from zoo_spec import load_spec
from zoo_spec.errors import InputError

DIGITS = sklearn.datasets.load_digits()
PIXELS, LABELS = (DIGITS.data / 16).astype(np.float32), DIGITS.target.astype(np.int32)
TRAIN, EVAL, PREDICT = zoo_tf.ModeKeys.TRAIN, zoo_tf.ModeKeys.EVAL, zoo_tf.ModeKeys.PREDICT
CALLS = []


def model_fn(features, labels, mode, params):
    CALLS.append(mode)
    net = keras.layers.Dense(params["units"], activation="relu")(features)
    net = keras.layers.BatchNormalization(momentum=0.9)(net, training=mode == TRAIN)
    net = keras.layers.Dropout(0.2)(net, training=mode == TRAIN)
    logits = keras.layers.Dense(10, name=params.get("head", "head"))(net)
    if mode == PREDICT:
        return zoo_tf.EstimatorSpec(mode, predictions={"class": tf.argmax(logits, -1), "logits": logits})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    accuracy.update_state(labels, logits)
    return zoo_tf.EstimatorSpec(
        mode,
        loss=loss,
        optimizer=keras.optimizers.Adam(1e-2) if mode == TRAIN else None,
        eval_metric_ops={"accuracy": accuracy, "hits": keras.ops.equal(tf.argmax(logits, -1), labels)},
    )


def train_input(start_step=0):
    data = tf.data.Dataset.from_tensor_slices((PIXELS[:1500], LABELS[:1500]))
    return data.shuffle(1500, seed=1).repeat().batch(50).skip(start_step)


def eval_input():
    return tf.data.Dataset.from_tensor_slices((PIXELS[1500:], LABELS[1500:])).batch(100)


def estimator(model_dir, function=model_fn, params=None, **options):
    return zoo_tf.Estimator(function, model_dir, params={"units": 16, **(params or {})}, **options)


def newest(model_dir):
    return CheckpointStore(model_dir / "checkpoints").latest()


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of 60 steps and its estimator."""
    made = estimator(tmp_path_factory.mktemp("runs") / "trained")
    made.train(train_input, max_steps=60)
    return made


@pytest.fixture(scope="module")
def directory(trained):
    return trained._run.storage.path


def test_a_model_fn_learns_and_its_metrics_are_means_over_all_examples(trained):
    found = trained.evaluate(eval_input)
    assert found["accuracy"] > 0.8
    rows = list(trained.predict(eval_input))
    logits = np.stack([row["logits"] for row in rows]).astype(np.float64)
    labels = LABELS[1500:]
    assert len(rows) == 297
    assert found["accuracy"] == pytest.approx(np.mean([row["class"] for row in rows] == labels), abs=1e-6)
    assert found["hits"] == pytest.approx(found["accuracy"], abs=1e-6)
    chosen = logits[np.arange(297), labels] - np.log(np.exp(logits).sum(axis=1))
    assert found["loss"] == pytest.approx(-chosen.mean(), rel=1e-5)


def test_evaluate_stops_after_so_many_batches(trained):
    first = lambda: eval_input().take(2)  # noqa: E731
    assert trained.evaluate(eval_input, steps=2) == trained.evaluate(first)


def test_a_model_fn_is_called_once_a_mode_whatever_the_number_of_steps(tmp_path):
    CALLS.clear()
    made = estimator(tmp_path / "run")
    for _ in range(2):
        made.train(train_input, steps=3)
        made.evaluate(eval_input)
        list(made.predict(eval_input))
    assert CALLS == [TRAIN, EVAL, PREDICT]


def test_a_run_that_was_interrupted_goes_on_bit_for_bit_where_the_input_does(tmp_path, trained):
    short = zoo_tf.RunConfig(save_checkpoints_steps=1000)
    estimator(tmp_path / "run", config=short).train(train_input, max_steps=25)
    estimator(tmp_path / "run", config=short).train(train_input, max_steps=60)
    resumed, straight = newest(tmp_path / "run"), newest(trained._run.storage.path)
    assert_same(straight.weights(), resumed.weights())
    assert_same(straight.optimizer(), resumed.optimizer())
    assert "dense/kernel/momentum" in resumed.optimizer()
    assert "batch_normalization/moving_mean" in resumed.weights()


def test_steps_are_so_many_more_and_max_steps_so_many_in_all(tmp_path):
    made = estimator(tmp_path / "run")
    made.train(train_input, steps=3)
    made.train(train_input, steps=3)
    assert newest(tmp_path / "run").step == 6
    made.train(train_input, max_steps=7)
    assert newest(tmp_path / "run").step == 7
    assert made.train(train_input, max_steps=7) == []
    made.train(lambda: train_input().take(2))  # Until the input ends.
    assert newest(tmp_path / "run").step == 9
    made.train(train_input().take(1), steps=3)  # Batches themselves come again.
    assert newest(tmp_path / "run").step == 12


def test_a_keras_model_from_outside_trains_and_keeps_its_frozen_layers(tmp_path):
    model = keras.Sequential(
        [keras.layers.Dense(8, "relu"), keras.layers.Dense(10, name="last")], name="outside"
    )
    model.layers[0].trainable = False

    def around(features, labels, mode):
        logits = model(features, training=mode == TRAIN)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
        return zoo_tf.EstimatorSpec(mode, loss=loss, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))

    made = zoo_tf.Estimator(around, tmp_path / "run")
    made.train(train_input, steps=1)
    first = newest(tmp_path / "run").weights()
    made.train(train_input, steps=30)
    last = newest(tmp_path / "run")
    kernels = [name for name in first if name.endswith("kernel")]
    assert [np.array_equal(first[name], last.weights()[name]) for name in kernels] == [True, False]
    assert {key.rsplit("/", 2)[0] for key in last.optimizer()} == {"outside/last"}
    logits = model(PIXELS[1500:], training=False).numpy()
    again = zoo_tf.Estimator(around, tmp_path / "run").evaluate(eval_input)
    assert made.evaluate(eval_input) == again
    chosen = np.take_along_axis(logits, LABELS[1500:, None], 1)[:, 0]
    assert again["loss"] == pytest.approx((np.log(np.exp(logits).sum(1)) - chosen).mean(), rel=1e-4)


def test_the_users_own_names_and_random_numbers_go_on_where_they_were(tmp_path):
    import random

    before = int(keras.layers.Dense(1).name.removeprefix("dense").removeprefix("_") or 0)
    random.seed(3)
    expected = random.random()
    random.seed(3)
    estimator(tmp_path / "run").train(train_input, steps=1)
    assert random.random() == expected
    assert keras.layers.Dense(1).name == f"dense_{before + 1}"


def test_the_seed_decides_initial_values_and_dropout(tmp_path):
    weights = []
    for seed in (5, 5, 6):
        run = tmp_path / f"run{len(weights)}"
        estimator(run, config=zoo_tf.RunConfig(seed=seed)).train(train_input, steps=2)
        weights.append(newest(run).weights()["dense/kernel"])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_the_projects_own_batches_reach_a_model_fn_as_a_dictionary(tmp_path):
    spec = load_spec("mnist_fc")
    data = open_dataset(spec, None, "train")

    def own(features, mode):
        logits = keras.layers.Dense(10)(keras.layers.Flatten()(features["image"]))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(features["labels"], logits)
        return zoo_tf.EstimatorSpec(
            mode, loss=loss, optimizer=keras.optimizers.Adam(1e-2), predictions={"logits": logits}
        )

    made = zoo_tf.Estimator(own, tmp_path / "run")
    logged = made.train(lambda start_step: batches(data, 0, 32, start_step, start_step + 40))
    assert logged[-1]["loss"] < 0.5 * logged[0]["loss"]
    assert len(list(made.predict(lambda: batches(data, 0, 8, 0, 2)))) == 16


def test_train_and_evaluate_evaluates_at_each_checkpoint(tmp_path):
    made = estimator(tmp_path / "run", config=zoo_tf.RunConfig(save_checkpoints_steps=4))
    specs = zoo_tf.TrainSpec(train_input, max_steps=10), zoo_tf.EvalSpec(eval_input, steps=1)
    found = zoo_tf.train_and_evaluate(made, *specs)
    lines = [line for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines() if "eval" in line]
    assert [line.split('"step": ')[1].split(",")[0] for line in lines] == ["4", "8", "10"]
    assert found == zoo_tf.train_and_evaluate(made, *specs) == made.evaluate(eval_input, steps=1)


def test_a_warm_start_takes_weights_by_name_and_leaves_a_new_head(tmp_path, directory):
    body = zoo_tf.WarmStartSettings(directory, ["dense", "batch_normalization"])
    other = {"head": "other"}
    with pytest.raises(InputError, match=r"has no other/kernel, other/bias.*vars_to_warm_start"):
        estimator(tmp_path / "all", params=other, warm_start_from=directory).train(train_input, steps=1)
    with pytest.raises(InputError, match=r"dense/kernel \[64, 16\] there, \[64, 8\] here"):
        estimator(tmp_path / "shape", params={"units": 8}, warm_start_from=body).train(train_input, steps=1)
    nothing = zoo_tf.WarmStartSettings(directory, "encoder")
    with pytest.raises(InputError, match="match none of the weights"):
        estimator(tmp_path / "none", warm_start_from=nothing).train(train_input, steps=1)
    assert not (tmp_path / "all").exists()

    frozen = zoo_tf.Estimator(_standing_still, tmp_path / "run", warm_start_from=body)
    frozen.train(train_input, steps=1)
    there, here = newest(directory).weights(), newest(tmp_path / "run").weights()
    assert np.array_equal(there["dense/kernel"], here["dense/kernel"])
    assert not np.array_equal(there["head/kernel"], here["head/kernel"])


def _standing_still(features, labels, mode):
    spec = model_fn(features, labels, mode, {"units": 16})
    return zoo_tf.EstimatorSpec(mode, loss=spec.loss, optimizer=keras.optimizers.SGD(0.0))


def test_an_exported_model_needs_tensorflow_alone(tmp_path, trained):
    with pytest.raises(InputError, match=r"TensorSpec"):
        trained.export_saved_model(tmp_path / "out")
    path = trained.export_saved_model(tmp_path / "out", tf.TensorSpec([None, 64], tf.float32, name="pixels"))
    np.save(tmp_path / "pixels.npy", PIXELS[1500:1503])
    script = (
        "import sys, numpy as np, tensorflow as tf\n"
        "path, given, found = sys.argv[1:]\n"
        "serve = tf.saved_model.load(path).signatures['serving_default']\n"
        "np.save(found, serve(tf.constant(np.load(given)))['logits'])\n"
        "assert not [name for name in sys.modules if name.startswith('zoo_')]\n"
    )
    arguments = [path, tmp_path / "pixels.npy", tmp_path / "logits.npy"]
    done = launch.python("-c", script, *arguments, loaded="tf")
    assert done.returncode == 0, done.stderr
    rows = [row["logits"] for _, row in zip(range(3), trained.predict(eval_input), strict=False)]
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), rows, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="is there already"):
        trained.export_saved_model(path, tf.TensorSpec([None, 64], tf.float32))


def test_a_mode_that_makes_other_variables_is_refused_with_the_names(tmp_path):
    def uneven(features, labels, mode):
        if mode == EVAL:
            features = keras.layers.Dense(64)(features)
        return _standing_still(features, labels, mode)

    made = zoo_tf.Estimator(uneven, tmp_path / "run")
    made.train(train_input, steps=1)
    with pytest.raises(InputError, match=r"did not: dense_1/bias, dense_1/kernel; trained were batch_norm"):
        made.evaluate(eval_input)


def test_a_table_of_words_in_a_model_fn_is_exported_too(tmp_path):
    def reads(features, labels, mode):
        ids = keras.layers.StringLookup(vocabulary=["good", "bad"])(features["word"])
        logits = keras.layers.Embedding(3, 2)(ids)
        if mode == PREDICT:
            return zoo_tf.EstimatorSpec(mode, predictions={"logits": logits})
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
        return zoo_tf.EstimatorSpec(mode, loss=loss, optimizer=keras.optimizers.SGD(1.0))

    words = tf.data.Dataset.from_tensor_slices(({"word": ["good", "bad"]}, [1, 0])).repeat(20).batch(4)
    made = zoo_tf.Estimator(reads, tmp_path / "run")
    made.train(lambda: words)
    path = made.export_saved_model(tmp_path / "out", lambda: {"word": tf.TensorSpec([None], tf.string)})
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    logits = serve(word=tf.constant(["bad", "good", "unseen"]))["logits"].numpy()
    assert logits.argmax(-1)[:2].tolist() == [0, 1]


def _gives(**changed):
    def changing(features, labels, mode):
        spec = _standing_still(features, labels, mode)
        return zoo_tf.EstimatorSpec(
            **{"mode": mode, "loss": spec.loss, "optimizer": spec.optimizer, **changed}
        )

    return changing


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda features, labels: None, "gives NoneType in mode 'train'; it must give zoo_tf.EstimatorSpec"),
        (_gives(loss=None), "gives no loss in mode 'train'"),
        (_gives(loss=tf.zeros([2])), r"has shape \[2\]; it must be one number"),
        (_gives(optimizer=None), "gives no optimizer in mode 'train'"),
        (_gives(optimizer="adam"), "gives the optimizer 'adam' in mode 'train'"),
        (_gives(train_op=tf.no_op), "no train_op on Keras 3"),
        (_gives(loss=tf.zeros([])), "reaches no trainable variable"),
    ],
)
def test_what_a_model_fn_gives_wrongly_is_said(tmp_path, function, message):
    with pytest.raises(InputError, match=message):
        zoo_tf.Estimator(function, tmp_path / "run").train(train_input, steps=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("input_fn", "message"),
    [
        (None, "needs an input_fn"),
        (lambda: None, "gives NoneType, which is no batches"),
        (lambda: [], "gives no batch"),
        (lambda: train_input().take(0), "gives no batch"),
        (lambda: train_input().map(lambda features, labels: features), r"without labels.*labels=None"),
        (lambda: [(PIXELS[:2], LABELS[:2]), (PIXELS[:2, :5], LABELS[:2])], "batches must be alike"),
        (lambda: [(PIXELS[:2], LABELS[:2], LABELS[:2])], "3 parts"),
    ],
)
def test_what_an_input_gives_wrongly_is_said(tmp_path, input_fn, message):
    with pytest.raises(InputError, match=message):
        estimator(tmp_path / "run").train(input_fn)


def test_what_does_not_go_together_is_refused(tmp_path, directory):
    made = estimator(tmp_path / "run")
    for steps in ({"steps": 1, "max_steps": 2}, {"steps": 0}, {"max_steps": -1}):
        with pytest.raises(InputError, match="steps"):
            made.train(train_input, **steps)
    for ask in (made.evaluate, made.predict):
        with pytest.raises(InputError, match="no checkpoint yet; train first"):
            ask(eval_input)
    with pytest.raises(InputError, match=r"params\.units: 16 in the run, 17 now"):
        estimator(directory, params={"units": 17}).train(train_input, steps=1)
    with pytest.raises(InputError, match="holds a run of a user's own model, model_fn"):
        zoo_tf.Estimator("mnist_fc", directory).train()
    zoo_tf.Estimator("mnist_fc", tmp_path / "spec", SMALL).train(steps=1)
    with pytest.raises(InputError, match="holds a run of a spec"):
        estimator(tmp_path / "spec").train(train_input, steps=1)
    with pytest.raises(InputError, match="go on in Python"):
        reopen(find_backend("tf")(), directory)
    with pytest.raises(InputError, match="params go to a model_fn"):
        zoo_tf.Estimator("mnist_fc", params={"units": 1})
    with pytest.raises(InputError, match="no spec to override"):
        zoo_tf.Estimator(model_fn, config={"training.steps": 1})
    with pytest.raises(InputError, match=r"keep_checkpoint_max is 0"):
        zoo_tf.RunConfig(keep_checkpoint_max=0)
    with pytest.raises(InputError, match="say it once"):
        zoo_tf.Estimator(model_fn, tmp_path / "a", zoo_tf.RunConfig(model_dir=tmp_path / "b"))


def test_a_second_run_in_the_directory_is_refused_and_sigterm_saves(tmp_path):
    def input_fn():
        for number, batch in enumerate(train_input()):
            if number == 1:
                with pytest.raises(InputError, match="is in use by process"):
                    estimator(tmp_path / "run").train(train_input, steps=1)
            if number == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with pytest.raises(TerminatedError):
        estimator(tmp_path / "run").train(input_fn, max_steps=100)
    assert newest(tmp_path / "run").step == 3


SMALL = {"training.steps": 6, "training.batch_size": 16, "model.dropout": 0.3}


def test_a_spec_trains_as_zoo_train_does_and_from_batches_of_its_own_data_too(tmp_path):
    spec = load_spec("mnist_fc", [f"{path}={value}" for path, value in SMALL.items()])
    spec_run(find_backend("tf")(), spec, tmp_path / "run", quiet=True).train()
    data = open_dataset(spec, None, "train")
    face = zoo_tf.Estimator("mnist_fc", tmp_path / "face", SMALL)
    face.train(steps=2)
    face.train(max_steps=3)
    zoo_tf.Estimator("mnist_fc", tmp_path / "face", SMALL).train()
    zoo_tf.Estimator(spec, tmp_path / "fed").train(lambda start_step: batches(data, 0, 16, start_step, 6))
    for other in ("face", "fed"):
        assert_same(newest(tmp_path / "run").weights(), newest(tmp_path / other).weights())
        assert_same(newest(tmp_path / "run").optimizer(), newest(tmp_path / other).optimizer())
    with pytest.raises(InputError, match=r"7 steps in all.*training\.steps is 6"):
        face.train(steps=1)


def test_a_spec_takes_pairs_as_tf_data_gives_them_and_predicts_a_row_an_example(tmp_path):
    images = (PIXELS.reshape(-1, 8, 8, 1) - 0.5).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(16)
    config = {**SMALL, "model.image_size": [8, 8]}
    made = zoo_tf.Estimator("mnist_fc", tmp_path / "run", config)
    found = zoo_tf.train_and_evaluate(made, zoo_tf.TrainSpec(lambda: data), zoo_tf.EvalSpec(lambda: data, 3))
    rows = list(made.predict(lambda: data.take(3)))
    hits = [np.argmax(row["logits"]) for row in rows] == LABELS[:48]
    assert found["accuracy"] == pytest.approx(hits.mean())
    for wrong, message in [
        ({"picture": images[:2]}, "does not have the input picture and also needs image, labels"),
        ({"image": images[:2]}, "also needs labels"),
        ({"image": images[:2, :5], "labels": LABELS[:2]}, r"image is float32 \[2, 5, 8, 1\]"),
        ({"image": images[:2], "labels": LABELS[:3]}, "other numbers of examples: image 2, labels 3"),
        ({"image": images[:2], "labels": LABELS[:2] + 9}, "labels"),
        ([images[:2]], "a batch is list"),
    ]:
        with pytest.raises(InputError, match=message):
            made.evaluate([wrong])


def test_a_spec_begins_with_weights_of_either_framework(tmp_path):
    import zoo_torch

    zoo_torch.Runner("mnist_fc", tmp_path / "torch", SMALL).train(steps=2)
    still = {**SMALL, "training.optimizer": {"kind": "sgd", "learning_rate": 1e-30}}
    zoo_tf.Estimator("mnist_fc", tmp_path / "tf", still, warm_start_from=tmp_path / "torch").train(steps=1)
    there, here = newest(tmp_path / "torch").weights(), newest(tmp_path / "tf").weights()
    for name, value in there.items():
        np.testing.assert_allclose(value, here[name], rtol=0, atol=1e-29, err_msg=name)
    checkpoint = newest(tmp_path / "torch").path
    other = {**still, "model.hidden_sizes": [5]}
    with pytest.raises(InputError, match="has other shapes"):
        zoo_tf.Estimator("mnist_fc", tmp_path / "other", other, warm_start_from=checkpoint).train(steps=1)


def test_run_config_goes_with_a_spec(tmp_path):
    config = zoo_tf.RunConfig(
        model_dir=tmp_path / "run", save_checkpoints_steps=2, keep_checkpoint_max=3, log_step_count_steps=3
    )
    spec = load_spec("mnist_fc", [f"{path}={value}" for path, value in SMALL.items()])
    logged = zoo_tf.Estimator(spec, config=config).train()
    assert CheckpointStore(tmp_path / "run" / "checkpoints").steps() == [2, 4, 6]
    assert [record["step"] for record in logged if record["split"] == "train"] == [3, 6]


def test_the_pages_example_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "own_modules.md").read_text(encoding="utf-8")
    (block,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "runs/own-tf" in code]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "own_modules.md", "exec"), {"__name__": "page"})
    assert float(capsys.readouterr().out.split()[0]) > 0.9


def regression_fn(features, labels, mode):
    outputs = keras.layers.Dense(1)(features)
    loss = tf.reduce_mean(tf.square(outputs - labels))
    return zoo_tf.EstimatorSpec(
        mode, loss=loss, optimizer=keras.optimizers.SGD(0.1) if mode == TRAIN else None
    )


@pytest.mark.parametrize("part", [0, 1])
def test_a_number_that_is_none_is_named_and_not_the_learning_rate(tmp_path, part, caplog):
    good = (PIXELS[:8].astype(">f4"), np.ones((8, 1), np.float32)[::-1])
    bad = [array.copy() for array in good]
    bad[part][3] = np.nan
    says = f"{('features', 'labels')[part]} of example 3 is nan in batch 1 of the input"
    with pytest.raises(DivergedError, match=f"correct the data: {says}"):
        zoo_tf.Estimator(regression_fn, tmp_path / "new").train([tuple(bad)], steps=1)
    face = zoo_tf.Estimator(regression_fn, tmp_path / "run")
    face.train([good], steps=1)
    caplog.clear()
    assert np.isnan(face.evaluate([tuple(bad)])["loss"])
    assert says in caplog.text
