"""What has its derivative written out: second derivatives, and those along a direction, are those of the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from zoo_tf.blocks.activation import GeluErf, GeluTanh
from zoo_tf.blocks.product import Product, cross_entropy_sum
from zoo_tf.blocks.vector_norms import layer_norm, rms_norm

SLOPE = tf.constant(np.random.default_rng(1).normal(size=5))
LABELS = tf.constant([3, 0, 2, 1])
WEIGHTS = tf.constant([1.0, 0.5, 0.0, 2.0], tf.float64)


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


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("found_by", [second, along])
@pytest.mark.parametrize("traced", [False, True])
def test_further_derivatives_are_the_formulas(case, found_by, traced):
    if case == "cross-entropy" and found_by is along:
        pytest.skip("it has gradients of what a tape watches alone")
    own, formula = CASES[case]
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 5)))
    found = tf.function(lambda x: found_by(own, x))(x) if traced else found_by(own, x)
    wanted = found_by(formula, x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
