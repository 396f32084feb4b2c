"""From a waveform to frames: convolutions in time (Hsu et al., 2021, 3.1; wav2vec 2.0's, Baevski et al., 2020)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import waveform_encoder as specs
from zoo_spec.blocks.base import Inputs
from zoo_spec.errors import InputError
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.convolve1d import convolve1d
from zoo_tf.derivatives import Derivative, with_derivative
from zoo_tf.precision import add_bias, at_least_float32

# B batch, S samples, T frames, C channels.


class Conv1d(Block):
    """Cross-correlation along time without padding: ``[B, S, C]`` to ``[B, T, C']``."""

    def __init__(
        self, *, in_channels: int, channels: int, size: int, stride: int, bias: bool, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.stride = stride
        self.kernel = self.add_weight(shape=(size, in_channels, channels), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias") if bias else None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        stride = self.stride
        if self.kernel.shape[0] == 1 and stride > 1:
            # The kernel's gradient overruns memory on several threads (TensorFlow 2.21, CPU): skip steps beforehand.
            x, stride = x[:, ::stride], 1
        y = convolve1d(x, tf.convert_to_tensor(self.kernel), stride=stride)
        return y if self.bias is None else add_bias(y, self.bias)


class TimeNorm(Block):
    """``(x - mean) / sqrt(variance + eps) * gamma + beta`` of each channel of ``[B, T, C]`` over all its time."""

    def __init__(self, *, size: int, epsilon: float, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=(size,), initializer="zeros", name="beta", autocast=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        wide = at_least_float32(x)
        gamma, beta = (
            tf.cast(tf.convert_to_tensor(weight), wide.dtype) for weight in (self.gamma, self.beta)
        )
        return tf.cast(with_derivative(self._normed, wide, gamma, beta), x.dtype)

    def _normed(
        self, x_BTC: tf.Tensor, gamma_C: tf.Tensor, beta_C: tf.Tensor
    ) -> tuple[tf.Tensor, Derivative]:
        """Its derivatives are written out, as those of ``vector_norms`` are."""
        centred_BTC = x_BTC - tf.reduce_mean(x_BTC, 1, keepdims=True)
        variance_B1C = tf.reduce_mean(tf.square(centred_BTC), 1, keepdims=True)
        inverse_B1C = tf.math.rsqrt(variance_B1C + tf.constant(self.epsilon, x_BTC.dtype))
        scale_B1C = inverse_B1C * gamma_C

        def derivatives(dy_BTC: tf.Tensor) -> tuple[tf.Tensor, ...]:
            frames = tf.cast(tf.shape(dy_BTC)[1], dy_BTC.dtype)
            sum_B1C = tf.reduce_sum(dy_BTC, 1, keepdims=True)
            along_B1C = tf.reduce_sum(dy_BTC * centred_BTC, 1, keepdims=True) * inverse_B1C
            slope_B1C, centre_B1C = along_B1C * inverse_B1C / frames, sum_B1C / frames
            dx_BTC = (dy_BTC - centred_BTC * slope_B1C - centre_B1C) * scale_B1C
            return dx_BTC, tf.reduce_sum(along_B1C, [0, 1]), tf.reduce_sum(sum_B1C, [0, 1])

        return centred_BTC * scale_B1C + beta_C, derivatives


class WaveformLayer(Block):
    """Convolution, norm if there is one, activation."""

    def __init__(
        self,
        *,
        convolution: keras.layers.Layer,
        norm: keras.layers.Layer | None,
        activation: keras.layers.Layer,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.convolution = convolution
        self.norm = norm
        self.activation = activation

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.convolution(x)
        return self.activation(x if self.norm is None else self.norm(x))


class WaveformEncoder(Block):
    """Convolutions over a waveform ``[B, S]`` of at least ``least`` samples, to ``[B, T, C]``."""

    def __init__(self, *, layers: list[keras.layers.Layer], least: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.layers = layers
        self.least = least

    def call(self, x: tf.Tensor) -> tf.Tensor:
        # A traced function does not know the length; TensorFlow would give no frames, and no error.
        if x.shape[1] is not None and x.shape[1] < self.least:
            raise InputError(
                f"the waveform has {x.shape[1]} samples, and the convolutions need {self.least} for a frame; "
                "give a longer one, or fill it up with zeros"
            )
        x_BSC = x[:, :, None]
        for layer in self.layers:
            x_BSC = layer(x_BSC)
        return x_BSC


class FrameIds(Block):
    """The id of each of the frames ``x [B, T, C]``, its last sample's: ``[B, S]`` to ``[B, T]``."""

    def __init__(self, *, size: int, stride: int, **keras_: Any) -> None:
        super().__init__(**keras_)
        self.size = size
        self.stride = stride

    def call(self, sample_ids: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        return sample_ids[:, self.size - 1 :: self.stride]


@build.register
def _conv1d(spec: specs.Conv1d, inputs: Inputs) -> Conv1d:
    return Conv1d(
        in_channels=inputs["x"].width,
        channels=spec.channels,
        size=spec.size,
        stride=spec.stride,
        bias=spec.bias,
    )


@build.register
def _time_norm(spec: specs.TimeNorm, inputs: Inputs) -> TimeNorm:
    return TimeNorm(size=inputs["x"].width, epsilon=spec.epsilon)


@build.register
def _waveform_layer(spec: specs.WaveformLayer, inputs: Inputs) -> WaveformLayer:
    children = build_children(spec, inputs)
    return WaveformLayer(
        convolution=children["convolution"], norm=children.get("norm"), activation=children["activation"]
    )


@build.register
def _waveform_encoder(spec: specs.WaveformEncoder, inputs: Inputs) -> WaveformEncoder:
    layers = list(build_children(spec, inputs).values())
    return WaveformEncoder(layers=layers, least=spec.frame[0])


@build.register
def _frame_ids(spec: specs.FrameIds, inputs: Inputs) -> FrameIds:
    return FrameIds(size=spec.size, stride=spec.stride)
