"""Convolution along time: TensorFlow's own values and gradients, the kernel's without its slow operation."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo_common.parity import tolerances
from zoo_tf.blocks.convolutional_position import ConvolutionalPosition
from zoo_tf.blocks.convolve1d import convolve1d
from zoo_tf.blocks.waveform_encoder import Conv1d

SHORT = [
    (size, stride)
    for stride in (1, 2, 3, 5)
    for size in (1, 2, 3, 4, 7, 8, 10, 16)
    if stride <= size <= 8 * stride
]
LONG = [(1, 2), (2, 3), (9, 1), (17, 2)]
"""Kernels whose gradient is TensorFlow's own: with frames left out between windows, or of many strides."""
SLOW = "Conv2DBackpropFilter"


def drawn(length, size, channels=(5, 4), dtype="float64"):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, length, channels[0])), rng.normal(size=(size, *channels))
    return tf.constant(x, dtype), tf.constant(kernel, dtype)


def own(x, kernel, stride):
    return convolve1d(x, kernel, stride=stride)


def theirs(x, kernel, stride):
    return tf.nn.conv1d(x, kernel, stride, "VALID")


def gradients(convolve, x, kernel, stride):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = convolve(x, kernel, stride)
        loss = tf.reduce_sum(tf.sin(tf.cast(y, tf.float64)))
    return [y, *tape.gradient(loss, [x, kernel])]


def second_gradients(convolve, x, kernel, stride):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        _, *first = gradients(convolve, x, kernel, stride)
        loss = tf.add_n([tf.reduce_sum(tf.sin(each)) for each in first])
    return tape.gradient(loss, [x, kernel])


def operations(function, *given):
    graph = tf.function(function).get_concrete_function(*given).graph
    return {each.type for each in graph.get_operations()}


def agree(found, wanted):
    for value, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, other, rtol=0, atol=1e-12 * np.abs(other).max())


@pytest.mark.parametrize(("size", "stride"), SHORT + LONG)
@pytest.mark.parametrize("more", [0, 1, 11])
def test_values_and_gradients_are_tensorflows(size, stride, more):
    """With one window, frames that no window reaches, and several windows."""
    given = (*drawn(size + more, size), stride)
    agree(gradients(own, *given), gradients(theirs, *given))
    agree(second_gradients(own, *given), second_gradients(theirs, *given))


@pytest.mark.parametrize(("size", "stride"), SHORT + LONG)
def test_a_short_kernels_gradient_is_products(size, stride):
    given = drawn(size + 11, size)
    kinds = operations(lambda *given: gradients(own, *given, stride), *given)
    assert (SLOW in kinds) == ((size, stride) in LONG)
    assert "Conv2D" in kinds
    assert SLOW in operations(lambda *given: gradients(theirs, *given, stride), *given)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_length_that_is_not_known_beforehand_gives_the_same(jit_compile):
    x, kernel = drawn(24, 3)
    found = tf.function(
        lambda x: gradients(own, x, kernel, 2),
        input_signature=[tf.TensorSpec((None, None, None), tf.float64)],
        jit_compile=jit_compile,
    )
    for length in (24, 23, 3):
        agree(found(x[:, :length]), gradients(theirs, x[:, :length], kernel, 2))


@pytest.mark.parametrize("channels", [(3, 8), (32, 8)])
def test_half_width_is_summed_in_float32(channels):
    """Over 6,000 frames; fewer channels are computed in float32."""
    x, kernel = drawn(12000, 3, channels, "bfloat16")
    wide = [tf.cast(each, tf.float64) for each in (x, kernel)]
    change = tf.constant(np.random.default_rng(1).normal(size=(2, 5999, channels[1])), tf.bfloat16)

    def found(convolve, x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolve(x, kernel, 2)
        return tape.gradient(y, [x, kernel], output_gradients=tf.cast(change, y.dtype))

    for value, wanted in zip(found(own, x, kernel), found(theirs, *wide), strict=True):
        assert value.dtype == tf.bfloat16
        error = np.abs(tf.cast(value, tf.float64) - wanted).max()
        assert error <= tolerances.ROUNDING["bfloat16"].roundoff * np.abs(wanted).max()


def test_the_waveforms_layers_and_the_positions_in_groups_learn_by_it():
    def learned(layer, x):
        layer.build(x.shape)
        layer(x)

        def step(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.sin(layer(x)))
            return tape.gradient(loss, [weight.value for weight in layer.trainable_weights])

        return operations(step, x)

    x = drawn(40, 1, (16, 16))[0]
    for size, stride in ((10, 5), (3, 2), (2, 2)):
        layer = Conv1d(in_channels=16, channels=4, size=size, stride=stride, bias=True, dtype="float64")
        assert SLOW not in learned(layer, x)
    identity = tf.keras.layers.Identity(dtype="float64")
    for size, is_long in ((4, False), (128, True)):
        layer = ConvolutionalPosition(
            hidden_size=16, size=size, groups=2, activation=identity, dtype="float64"
        )
        assert (SLOW in learned(layer, x)) == is_long
