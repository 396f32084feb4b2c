"""Convolutions of bfloat16 on a CPU are those of float32, rounded, whatever the processor multiplies."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo_tf.blocks import convolve2d
from zoo_tf.blocks.convolution import Conv2d, TransposedConv2d
from zoo_tf.blocks.convolve1d import convolve1d

ALONG_TIME = [
    (8, 64, 32, 3, 208),
    (16, 1, 12, 12, 72),
    (20, 64, 64, 16, 336),
    (24, 24, 4, 4, 164),
    (32, 8, 8, 4, 120),
]
"""Channels, given and made, the kernel's length, stride and frames: where oneDNN's were noise, and one beyond."""


def conv2d(given, made, size, stride, pad):
    return Conv2d(
        in_channels=given,
        channels=made,
        size=(size, size),
        stride=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        bias=True,
        dtype="mixed_bfloat16",
    )


def transposed(given, made, size, stride):
    return TransposedConv2d(
        in_channels=given,
        channels=made,
        size=(size, size),
        stride=(stride, stride),
        bias=True,
        dtype="mixed_bfloat16",
    )


OF_IMAGES = [
    (conv2d, 8, 16, (16, 16, 0), 64, 128),
    (conv2d, 14, 1, (16, 16, 0), 32, 48),
    (conv2d, 24, 64, (4, 4, 0), 16, 4),
    (conv2d, 3, 16, (2, 2, 0), 16, 2),
    (transposed, 4, 16, (14, 14), 4, 4),
    (transposed, 8, 16, (8, 8), 2, 10),
    (conv2d, 3, 8, (3, 1, 1), 9, 8),
    (conv2d, 4, 8, (3, 1, 0), 9, 8),
    (transposed, 8, 16, (2, 2), 5, 6),
]
"""Channels, given and made, the kernel's size, stride and padding, height and width."""


def drawn(*shape):
    return tf.cast(np.random.default_rng(1).standard_normal(shape), tf.bfloat16)


def apart(found, exact):
    return np.abs(tf.cast(found, tf.float32) - exact).max() / np.abs(exact).max()


@pytest.mark.parametrize(("given", "made", "size", "stride", "frames"), ALONG_TIME)
def test_along_time(given, made, size, stride, frames):
    x, kernel = drawn(2, frames, given), drawn(size, given, made)
    exact = tf.nn.conv1d(tf.cast(x, tf.float32), tf.cast(kernel, tf.float32), stride, "VALID")
    assert apart(convolve1d(x, kernel, stride=stride), exact) < 0.01


@pytest.fixture(params=[False, True], ids=["as it is", "bfloat16 multiplied"])
def multiplied(request, monkeypatch):
    """Whether the processor multiplies bfloat16: what is done where it does is right on any."""
    monkeypatch.setattr(convolve2d, "MULTIPLIES_BFLOAT16", convolve2d.MULTIPLIES_BFLOAT16 or request.param)


def exactly(block, kernel, x):
    """What the block makes of it, in float32."""
    if isinstance(block, Conv2d):
        return tf.nn.conv2d(tf.pad(x, block.pads), kernel, block.stride, "VALID")
    height, width = ((old - 1) * block.stride[0] + block.size[0] for old in x.shape[1:3])
    shape = [x.shape[0], height, width, block.channels]
    return tf.nn.conv2d_transpose(x, kernel, shape, block.stride, "VALID")


def both(make, given, made, how, height, width):
    """The block, its kernel and images, as bfloat16 has them, and both in float32."""
    block, x = make(given, made, *how), drawn(2, height, width, given)
    block.kernel.assign(tf.cast(drawn(*block.kernel.shape), tf.float32))
    return block, x, tf.Variable(block.kernel.value), tf.cast(x, tf.float32)


def gradients(run, x, weights, change):
    """Its outputs, and the gradients of ``x`` and the weights where ``change`` is that of the outputs."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = run(x)
    return found, *tape.gradient(found, [x, weights], tf.cast(change, found.dtype))


@pytest.mark.usefixtures("multiplied")
@pytest.mark.parametrize("way", ["at once", "a step that is traced", "traced and then differentiated"])
@pytest.mark.parametrize(("make", "given", "made", "how", "height", "width"), OF_IMAGES)
def test_of_images(make, given, made, how, height, width, way):
    block, x, kernel, wide = both(make, given, made, how, height, width)
    change = drawn(*block(x).shape)
    expected = gradients(lambda x: exactly(block, kernel, x), wide, kernel, change)
    run = tf.function(block) if way == "traced and then differentiated" else block

    def step(x):
        return gradients(run, x, block.kernel.value, change)

    found = (tf.function(step) if way == "a step that is traced" else step)(x)
    assert found[0].dtype == found[1].dtype == tf.bfloat16
    assert max(map(apart, found, expected)) < 0.01


@pytest.mark.usefixtures("multiplied")
@pytest.mark.parametrize(("make", "given", "made", "how", "height", "width"), OF_IMAGES)
def test_images_of_a_number_that_is_open_keep_their_sizes(make, given, made, how, height, width):
    block, x, *_ = both(make, given, made, how, height, width)
    signature = [tf.TensorSpec([None, *x.shape[1:]], x.dtype)]
    found = tf.function(block, input_signature=signature).get_concrete_function().outputs[0]
    assert found.shape.as_list() == [None, *block(x).shape[1:]]


@pytest.mark.usefixtures("multiplied")
@pytest.mark.parametrize(("make", "given", "made", "how", "height", "width"), OF_IMAGES[-3:])
def test_second_derivatives_of_images(make, given, made, how, height, width):
    block, x, kernel, wide = both(make, given, made, how, height, width)

    def penalty(run, x, weights):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(tf.square(tf.cast(run(x), tf.float32)))
            slope = tf.reduce_sum(tf.square(tf.cast(tape.gradient(loss, x), tf.float32)))
        return outer.gradient(slope, [x, weights])

    found = penalty(block, x, block.kernel.value)
    expected = penalty(lambda x: exactly(block, kernel, x), wide, kernel)
    assert max(map(apart, found, expected)) < 0.02
