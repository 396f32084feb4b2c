"""Convolutions of bfloat16 on a CPU are those of float32, rounded, whatever the processor multiplies."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo_tf.blocks.convolution import Conv2d
from zoo_tf.blocks.convolve1d import convolve1d

ALONG_TIME = [
    (8, 64, 32, 3, 208),
    (16, 1, 12, 12, 72),
    (20, 64, 64, 16, 336),
    (24, 24, 4, 4, 164),
    (32, 8, 8, 4, 120),
]
"""Channels, given and made, the kernel's length, stride and frames: where oneDNN's were noise, and one beyond."""
OF_IMAGES = [(8, 16, 16, 64, 128), (14, 1, 16, 32, 48), (24, 64, 4, 16, 4), (4, 4, 16, 48, 96)]
"""Channels, given and made, the size of patches, height and width."""


def drawn(*shape):
    return tf.cast(np.random.default_rng(1).standard_normal(shape), tf.bfloat16)


def apart(found, exact):
    return np.abs(tf.cast(found, tf.float32) - exact).max() / np.abs(exact).max()


@pytest.mark.parametrize(("given", "made", "size", "stride", "frames"), ALONG_TIME)
def test_along_time(given, made, size, stride, frames):
    x, kernel = drawn(2, frames, given), drawn(size, given, made)
    exact = tf.nn.conv1d(tf.cast(x, tf.float32), tf.cast(kernel, tf.float32), stride, "VALID")
    assert apart(convolve1d(x, kernel, stride=stride), exact) < 0.01


@pytest.mark.parametrize(("given", "made", "size", "height", "width"), OF_IMAGES)
def test_of_images(given, made, size, height, width):
    block = Conv2d(
        in_channels=given,
        channels=made,
        size=(size, size),
        stride=(size, size),
        padding=((0, 0), (0, 0)),
        bias=False,
        dtype="mixed_bfloat16",
    )
    x, kernel = drawn(2, height, width, given), drawn(size, size, given, made)
    block.kernel.assign(tf.cast(kernel, tf.float32))
    exact = tf.nn.conv2d(tf.cast(x, tf.float32), tf.cast(kernel, tf.float32), size, "VALID")
    found = block(x)
    assert found.dtype == tf.bfloat16
    assert apart(found, exact) < 0.01
