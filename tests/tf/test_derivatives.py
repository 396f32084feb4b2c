"""Further derivatives of what has its first written out, and of models made of it, are those of the formula."""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

import zoo_tf
from zoo_spec import load_spec
from zoo_tf.blocks.activation import GeluErf, GeluTanh
from zoo_tf.blocks.convolve1d import convolve1d
from zoo_tf.blocks.dense import _product
from zoo_tf.blocks.product import Product, cross_entropy_sum
from zoo_tf.blocks.vector_norms import layer_norm, rms_norm
from zoo_tf.spared_logits import sparing_logits

SLOPE = tf.constant(np.random.default_rng(1).normal(size=5))
KERNEL = tf.constant(np.random.default_rng(2).normal(size=(5, 4)))
LABELS = tf.constant([3, 0, 2, 1])
WEIGHTS = tf.constant([1.0, 0.5, 0.0, 2.0], tf.float64)

SMALL = ["model.hidden_size=16", "model.num_heads=2", "model.intermediate_size=32", "model.vocab_size=40"]


def gelu_erf(x):
    return x * (1 + tf.math.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x):
    return x * (1 + tf.tanh(tf.constant(math.sqrt(2 / math.pi), x.dtype) * (x + 0.044715 * x**3))) / 2


def normed(x):
    centred = x - tf.reduce_mean(x, -1, keepdims=True)
    return centred / tf.sqrt(tf.reduce_mean(centred**2, -1, keepdims=True) + 1e-3) * SLOPE + SLOPE


def root_mean_squared(x):
    return x / tf.sqrt(tf.reduce_mean(x**2, -1, keepdims=True) + 1e-3) * SLOPE


def cross_entropies(x):
    return tf.reduce_sum(
        WEIGHTS * tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, x @ tf.transpose(x))
    )


CASES = {
    "gelu, erf": (GeluErf(dtype="float64"), gelu_erf),
    "gelu, tanh": (GeluTanh(dtype="float64"), gelu_tanh),
    "layer norm": (lambda x: layer_norm(x, SLOPE, SLOPE, 1e-3), normed),
    "rms norm": (lambda x: rms_norm(x, SLOPE, 1e-3), root_mean_squared),
    "dense": (lambda x: _product(x, tf.transpose(x)), lambda x: x @ tf.transpose(x)),
    "dense, constant kernel": (lambda x: _product(x, KERNEL), lambda x: x @ KERNEL),
    "dense, kernel": (lambda x: _product(KERNEL, x), lambda x: KERNEL @ x),
    "convolution along time": (
        lambda x: convolve1d(x[:, :, tf.newaxis], tf.reshape(KERNEL, [2, 1, 10])),
        lambda x: tf.nn.conv1d(x[:, :, tf.newaxis], tf.reshape(KERNEL, [2, 1, 10]), 1, "VALID"),
    ),
    "cross-entropy": (
        lambda x: cross_entropy_sum(Product(x, x, None, is_turned=False), LABELS, WEIGHTS, 0.0),
        cross_entropies,
    ),
}


def second(function, x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(tf.sin(function(x)))
        slope = tf.reduce_sum(tf.sin(inner.gradient(loss, x)))
    return outer.gradient(slope, x)


def along(function, x):
    with tf.autodiff.ForwardAccumulator(x, tf.cos(x)) as accumulator:
        y = function(x)
    return accumulator.jvp(y)


def second_along(function, x):
    with tf.autodiff.ForwardAccumulator(x, tf.cos(x)) as accumulator:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(function(x)))
        slope = tape.gradient(loss, x)
    return accumulator.jvp(slope)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("found_by", "traced"),
    # TensorFlow has no tangent of a traced loop that writes a TensorArray, so none of a loss' gradient in parts.
    [(second, False), (second, True), (along, False), (along, True), (second_along, False)],
)
def test_further_derivatives_are_the_formulas(case, found_by, traced):
    own, formula = CASES[case]
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 5)))
    found = tf.function(lambda x: found_by(own, x))(x) if traced else found_by(own, x)
    wanted = found_by(formula, x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("spares", [False, True])
def test_a_models_loss_along_a_direction_is_that_part_of_its_gradient(spares):
    spec = load_spec("gpt2_tiny", [*SMALL, "training.precision=float64"])
    graph = spec.graph()
    model = zoo_tf.compile(graph, dtype="float64")
    draw = np.random.default_rng(3)
    batch = dict.fromkeys(("input_ids", "labels"), tf.constant(draw.integers(0, 40, (2, 9))))
    weights = [each.value for each in model.trainable_variables]
    along = [tf.constant(draw.normal(size=each.shape)) for each in weights]
    with sparing_logits(model, graph) if spares else nullcontext():
        with tf.autodiff.ForwardAccumulator(weights, along) as accumulator, tf.GradientTape() as tape:
            loss = model(batch)["loss"]
        gradients = tape.gradient(loss, weights)
        with tf.autodiff.ForwardAccumulator(weights, along) as alone:
            again = model(batch)["loss"]
    products = [tf.convert_to_tensor(each) * way for each, way in zip(gradients, along, strict=True)]
    wanted, size = (
        sum(float(tf.reduce_sum(each)) for each in of) for of in (products, map(tf.abs, products))
    )
    assert abs(wanted) > size / 1_000
    for found in (accumulator.jvp(loss), alone.jvp(again)):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * size)
