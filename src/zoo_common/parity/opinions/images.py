"""Third opinions on convolutions over images and waveforms."""

from __future__ import annotations

import numpy as np

from zoo_common.backend import Array
from zoo_common.parity.opinions.base import Floats, Seat, opinion
from zoo_spec.blocks import convolution, waveform_encoder

_windows = np.lib.stride_tricks.sliding_window_view


def _plus_bias(seat: Seat, x: Floats) -> Floats:
    return x + seat.weight("bias") if seat.has("bias") else x


@opinion.register
def _conv2d(block: convolution.Conv2d, seat: Seat) -> Array:
    padded = np.pad(seat.take(), [(0, 0), *block.padding, (0, 0)])
    windows = _windows(padded, block.size, (1, 2))[:, :: block.stride[0], :: block.stride[1]]
    return _plus_bias(seat, np.einsum("bhwckl,ockl->bhwo", windows, seat.weight("weight"), optimize=True))


@opinion.register
def _max_pool2d(block: convolution.MaxPool2d, seat: Seat) -> Array:
    windows = _windows(seat.take(), block.size, (1, 2))[:, :: block.stride[0], :: block.stride[1]]
    return np.asarray(windows.max((-2, -1)))


@opinion.register
def _transposed_conv2d(block: convolution.TransposedConv2d, seat: Seat) -> Array:
    x, weight = seat.take(), seat.weight("weight")
    (high, wide), (down, right) = block.size, block.stride
    batch, height, width, _ = x.shape
    outer = np.zeros((batch, (height - 1) * down + high, (width - 1) * right + wide, weight.shape[1]))
    for row in range(high):
        for column in range(wide):
            rows, columns = (
                slice(row, row + height * down, down),
                slice(column, column + width * right, right),
            )
            outer[:, rows, columns][:, :height, :width] += x @ weight[:, :, row, column]
    return _plus_bias(seat, outer)


@opinion.register
def _conv1d(block: waveform_encoder.Conv1d, seat: Seat) -> Array:
    windows = _windows(seat.take(), block.size, 1)[:, :: block.stride]
    return _plus_bias(seat, np.einsum("btck,ock->bto", windows, seat.weight("weight")))


@opinion.register
def _waveform_layer(block: waveform_encoder.WaveformLayer, seat: Seat) -> Array:
    x = seat.inner("convolution", seat.take())
    return seat.inner("activation", seat.inner("norm", x) if seat.holds("norm") else x)


@opinion.register
def _waveform_encoder(block: waveform_encoder.WaveformEncoder, seat: Seat) -> Array:
    return seat.layers(seat.take()[:, :, None])


@opinion.register
def _frame_ids(block: waveform_encoder.FrameIds, seat: Seat) -> Array:
    return seat.ids("sample_ids")[:, block.size - 1 :: block.stride]
