"""The norm over a waveform's time, whose derivatives are written out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo_tf.blocks.waveform_encoder import TimeNorm

EPSILON = 1e-3


def formula(x, gamma, beta):
    centred = x - tf.reduce_mean(x, 1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, 1, keepdims=True)
    return centred / tf.sqrt(variance + EPSILON) * gamma + beta


@pytest.fixture
def drawn():
    """A norm's layer and an input of seven frames."""
    rng = np.random.default_rng(0)
    layer = TimeNorm(size=5, epsilon=EPSILON, dtype="float64")
    for weight in layer.weights:
        weight.assign(rng.normal(size=5))
    return layer, tf.constant(rng.normal(size=(3, 7, 5)) + 2)


def gradients(compute, watched):
    with tf.GradientTape() as tape:
        tape.watch(watched)
        y = compute(*watched)
        loss = tf.reduce_sum(tf.sin(y))
    return [y, *tape.gradient(loss, watched)]


def second_gradients(compute, watched):
    with tf.GradientTape() as tape:
        tape.watch(watched)
        loss = tf.add_n([tf.reduce_sum(tf.sin(each)) for each in gradients(compute, watched)[1:]])
    return tape.gradient(loss, watched)


@pytest.mark.parametrize("found_by", [gradients, second_gradients])
@pytest.mark.parametrize("frames", [1, 7])
def test_values_and_gradients_are_the_formulas(drawn, found_by, frames):
    layer, x = drawn
    watched = [x[:, :frames], layer.gamma.value, layer.beta.value]
    found, wanted = (found_by(compute, watched) for compute in (lambda x, gamma, beta: layer(x), formula))
    for value, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, other, rtol=0, atol=1e-12 * max(1, np.abs(other).max()))


def test_a_step_passes_nine_times_over_memory_and_not_as_often_as_the_formula_does(drawn):
    layer, x = drawn
    watched = [x, layer.gamma.value, layer.beta.value]

    def written(compute):
        """Operations that write a tensor of the input's size."""

        def step(dy):
            with tf.GradientTape() as tape:
                tape.watch(watched)
                y = compute(*watched)
            return tape.gradient(y, watched, output_gradients=dy)

        graph = tf.function(step).get_concrete_function(tf.TensorSpec(x.shape, x.dtype)).graph
        kinds = {"Placeholder", "Identity", "Const"}
        return [
            each.type
            for each in graph.get_operations()
            for y in each.outputs
            if y.shape == x.shape and each.type not in kinds
        ]

    assert len(written(lambda x, gamma, beta: layer(x))) <= 9
    assert len(written(formula)) > 12
