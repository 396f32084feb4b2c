"""Padding of convolutions: the values of TensorFlow's stated one, by operations that have fast gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo_tf.blocks.convolution import Conv2d

CASES = {
    "none": ((3, 3), (1, 1), ((0, 0), (0, 0))),
    "the same size": ((3, 3), (1, 1), ((1, 1), (1, 1))),
    "the same size, even": ((2, 4), (1, 1), ((0, 1), (1, 2))),
    "the same size, turned": ((2, 2), (1, 1), ((1, 0), (1, 0))),
    "one side": ((3, 3), (1, 1), ((2, 0), (0, 1))),
    "with steps": ((3, 3), (2, 2), ((1, 1), (1, 1))),
    "pointwise, with steps": ((1, 1), (2, 2), ((1, 0), (0, 0))),
}


@pytest.mark.parametrize(("size", "stride", "padding"), CASES.values(), ids=CASES)
def test_padding_is_that_of_stated_pads_and_never_stated(size, stride, padding):
    rng = np.random.default_rng(0)
    layer = Conv2d(
        in_channels=2, channels=3, size=size, stride=stride, padding=padding, bias=False, dtype="float64"
    )
    layer.kernel.assign(rng.normal(size=(*size, 2, 3)))
    x = tf.constant(rng.normal(size=(2, 9, 8, 2)))
    pads = [[0, 0], *map(list, padding), [0, 0]]

    def found(compute):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = compute()
            loss = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(loss, [x, layer.kernel.value])]

    def own():
        return found(lambda: layer(x))

    expected = found(lambda: tf.nn.conv2d(x, layer.kernel.value, stride, pads))
    for value, wanted in zip(own(), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-13)
    operations = tf.function(own).get_concrete_function().graph.get_operations()
    kinds = {each.type: each.get_attr("padding") for each in operations if "padding" in each.node_def.attr}
    assert kinds.keys() == {"Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput"}
    assert b"EXPLICIT" not in kinds.values()
