"""GELU out of training: its formula's values, computed with the product before where TensorFlow does so itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo_tf.blocks.activation import GeluErf, GeluTanh
from zoo_tf.blocks.feed_forward import FeedForward, GatedFeedForward

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FORMULAS = {
    GeluErf: lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    GeluTanh: lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
}


@pytest.fixture
def fusions(monkeypatch):
    """How many products of a function of ``x [2, 3, 8]`` take a GELU along once the graph is rewritten."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from tf_graph import rewritten

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})

    def count(function, dtype=tf.float32):
        graph = rewritten(tf.function(function).get_concrete_function(tf.TensorSpec([2, 3, 8], dtype)))
        taken = [node.attr["fused_ops"].list.s for node in graph.node]
        return sum(any(b"Gelu" in operation for operation in operations) for operations in taken)

    return count


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize("training", [False, True])
def test_gelu_is_its_formula(kind, training):
    for dtype, rtol, atol in (("float64", 1e-13, 1e-14), ("float32", 1e-6, 1e-6), ("bfloat16", 1e-2, 1e-6)):
        x = tf.cast(tf.linspace(-9.0, 9.0, 181), dtype)
        found = kind(dtype=dtype)(x, training=training)
        assert found.dtype == dtype
        wanted = [FORMULAS[kind](float(value)) for value in x]
        np.testing.assert_allclose(tf.cast(found, tf.float64), wanted, rtol=rtol, atol=atol)


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize("room", [FeedForward, GatedFeedForward])
def test_a_product_takes_the_gelu_behind_it_along_where_nothing_is_learned(kind, room, fusions):
    kernel, bias = tf.Variable(tf.ones([8, 16])), tf.Variable(tf.ones([16]))
    approximate = kind is GeluTanh
    possible = fusions(
        lambda x: tf.nn.gelu(tf.nn.bias_add(tf.reshape(x, [-1, 8]) @ kernel, bias), approximate=approximate)
    )
    block = room(hidden_size=8, size=16, bias=True, activation=kind())
    block.build([2, 3, 8])

    def learned(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = block(x, training=False)
        return tape.gradient(y, x)

    assert fusions(lambda x: block(x, training=False)) == possible
    assert fusions(lambda x: block(x, training=True)) == fusions(learned) == 0
