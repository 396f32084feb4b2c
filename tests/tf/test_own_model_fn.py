"""A user's own model_fn: what it may give, and what is refused before steps are lost."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo_tf
from zoo_common.checkpoint import CheckpointStore
from zoo_spec.errors import InputError

A, B = np.random.default_rng(0).standard_normal((2, 4, 5)).astype(np.float32)
PREDICT, TRAIN = zoo_tf.ModeKeys.PREDICT, zoo_tf.ModeKeys.TRAIN


@dataclass
class Found:
    logits: tf.Tensor
    past: object = None


def made(directory, given=lambda y, a: y, optimizer=lambda: keras.optimizers.SGD(0.1), layer=None):
    def function(features, labels, mode):
        a, b = features
        dense = keras.layers.Dense(3, name="dense") if layer is None else layer()
        y = dense(a) + dense(b)
        if mode == PREDICT:
            return zoo_tf.EstimatorSpec(mode, predictions=given(y, a))
        return zoo_tf.EstimatorSpec(
            mode, loss=tf.reduce_mean(y**2), optimizer=optimizer() if mode == TRAIN else None
        )

    return zoo_tf.Estimator(function, directory)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (lambda y, a: y, {"output": lambda y, a: y}),
        (lambda y, a: (y, (a, None)), {"output.0": lambda y, a: y, "output.1.0": lambda y, a: a}),
        (lambda y, a: Found(y, object()), {"logits": lambda y, a: y}),
        (lambda y, a: SimpleNamespace(y=y, cache=object()), {"y": lambda y, a: y}),
        (
            lambda y, a: {"y": y, "none": None, "two": [a, {"deep": y}], "loss": tf.reduce_mean(y)},
            {"y": lambda y, a: y, "two.0": lambda y, a: a, "two.1.deep": lambda y, a: y},
        ),
    ],
    ids=["tensor", "tuples", "data class", "object", "dictionary"],
)
def test_predictions_are_every_tensor_with_a_row_an_example_however_they_are_nested(
    tmp_path, given, expected
):
    run = made(tmp_path / "run", given)
    run.train([((A, B), None)], steps=1)
    rows = list(run.predict([((A[:2], B[:2]), None), ((A[2:], B[2:]), None)]))
    weights = CheckpointStore(tmp_path / "run" / "checkpoints").latest().weights()
    y = (A + B) @ weights["dense/kernel"] + 2 * weights["dense/bias"]
    assert [set(row) for row in rows] == [set(expected)] * 4
    for name, value in expected.items():
        np.testing.assert_allclose([row[name] for row in rows], value(y, A), rtol=1e-5, atol=1e-6)


def test_predictions_without_a_row_an_example_are_refused_by_name(tmp_path):
    for name, given, message in (
        ("turned", lambda y, a: {"y": tf.transpose(y)}, r"gives y \[3, 4\]; have the batch come first"),
        (
            "nothing",
            lambda y, a: {"y": None},
            r"gives predictions dict in mode 'infer', which hold no tensor",
        ),
    ):
        run = made(tmp_path / name, given)
        run.train([((A, B), None)], steps=1)
        with pytest.raises(InputError, match=message):
            list(run.predict([((A, B), None)]))


def test_an_optimizer_that_scales_gradients_back_is_given_a_scaled_loss(tmp_path):
    def scaling():
        return keras.optimizers.SGD(0.1, loss_scale_factor=1024.0)

    def changing():
        return keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1), initial_scale=64.0, dynamic_growth_steps=2
        )

    found = {}
    for name, optimizer in (("plain", None), ("scaling", scaling), ("changing", changing)):
        run = made(tmp_path / name, **({} if optimizer is None else {"optimizer": optimizer}))
        logged = run.train([((A, B), None)], steps=5)
        weights = CheckpointStore(tmp_path / name / "checkpoints").latest().weights()
        found[name] = (weights["dense/kernel"], [line["gradient_norm"] for line in logged])
    for name in ("scaling", "changing"):
        np.testing.assert_allclose(found[name][0], found["plain"][0], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(found[name][1], found["plain"][1], rtol=1e-5, err_msg=name)


class Complex(keras.layers.Layer):
    def build(self, shape):
        self.phase = self.add_weight(
            shape=(5,), dtype="complex64", initializer="ones", name="phase", trainable=False
        )
        self.scale = self.add_weight(shape=(5,), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale


class Named(keras.layers.Layer):
    def __init__(self, leaf, **keras_):
        super().__init__(**keras_)
        self.leaf = leaf

    def build(self, shape):
        self.scale = self.add_weight(shape=(5,), initializer="ones", name=self.leaf)

    def call(self, x):
        return x * self.scale


def alike():
    one, other = Named("b_c", name="a"), Named("c", name="a_b")
    return lambda x: one(x) + other(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": Complex}, r"cannot hold: complex/phase \(complex64\)"),
        (
            {"layer": alike, "optimizer": lambda: keras.optimizers.SGD(0.1, momentum=0.9)},
            r"two variables of the optimizer a_b_c_\w+, so that a checkpoint could not tell",
        ),
        (
            {"optimizer": lambda: keras.optimizers.Adam(use_ema=True)},
            "use_ema without ema_overwrite_frequency",
        ),
    ],
)
def test_what_a_run_could_not_keep_is_refused_by_name_before_the_first_step(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        made(tmp_path / "run", **options).train([((A, B), None)], steps=3)
    assert not (tmp_path / "run").exists()
