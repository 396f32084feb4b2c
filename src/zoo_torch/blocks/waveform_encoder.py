"""From a waveform to frames: convolutions in time (Hsu et al., 2021, 3.1; wav2vec 2.0's, Baevski et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.blocks import waveform_encoder as specs
from zoo_spec.blocks.base import Inputs
from zoo_spec.errors import InputError
from zoo_torch.blocks.base import build, build_children
from zoo_torch.blocks.convolve1d import convolve1d
from zoo_torch.blocks.norm import group_norm
from zoo_torch.precision import Applied, at_least_float32, keeping_width

# B batch, S samples, T frames, C channels.


class Conv1d(nn.Conv1d):
    """Cross-correlation along time without padding: ``[B, S, C]`` to ``[B, T, C']``."""

    def forward(self, x: Tensor) -> Tensor:
        return convolve1d(x.mT, self.weight, self.bias, stride=self.stride[0]).mT


class TimeNorm(nn.GroupNorm):
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` of each channel of ``[B, T, C]`` over all its time."""

    def __init__(self, *, size: int, epsilon: float) -> None:
        super().__init__(size, size, eps=epsilon)

    def _apply(self, applied: Applied, recurse: bool = True) -> nn.Module:
        return super()._apply(keeping_width(applied), recurse)

    def forward(self, x: Tensor) -> Tensor:
        y = group_norm(at_least_float32(x).mT, self.num_groups, self.weight, self.bias, self.eps)
        return y.mT.to(x.dtype)


class WaveformLayer(nn.Module):
    """Convolution, norm if there is one, activation."""

    def __init__(self, *, convolution: nn.Module, norm: nn.Module | None, activation: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = norm
        self.activation = activation
        # In memory time is then the innermost. torch.export would refuse lengths at which an elementwise function
        # of a transposed view lays out its result in another way.
        self.gives_a_view = norm is None or isinstance(norm, TimeNorm)

    @property
    def turned(self) -> tuple[str, ...]:
        """The parts that are given ``[B, C, T]``."""
        return ("activation",) if self.gives_a_view else ()

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        if self.norm is not None:
            x = self.norm(x)
        return self.activation(x.mT).mT if self.gives_a_view else self.activation(x)


class WaveformEncoder(nn.Module):
    """Convolutions over a waveform ``[B, S]`` of at least ``least`` samples, to ``[B, T, C]``."""

    def __init__(self, *, layers: list[nn.Module], least: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] < self.least:
            raise InputError(
                f"the waveform has {x.shape[1]} samples, and the convolutions need {self.least} for a frame; "
                "give a longer one, or fill it up with zeros"
            )
        # Not x[:, :, None]: oneDNN would take its one channel for channels last, and lay out all that follows so.
        x_BSC = x[:, None].mT
        for layer in self.layers:
            x_BSC = layer(x_BSC)
        return x_BSC


class FrameIds(nn.Module):
    """The id of each of the frames ``x [B, T, C]``, its last sample's: ``[B, S]`` to ``[B, T]``."""

    def __init__(self, *, size: int, stride: int) -> None:
        super().__init__()
        self.size = size
        self.stride = stride

    def forward(self, sample_ids: Tensor, x: Tensor) -> Tensor:
        # Not a slice: torch.export does not see that it has as many as there are frames.
        last = self.size - 1 + self.stride * torch.arange(x.shape[1], device=x.device)
        return sample_ids[:, last]


@build.register
def _conv1d(spec: specs.Conv1d, inputs: Inputs) -> Conv1d:
    return Conv1d(inputs["x"].width, spec.channels, spec.size, stride=spec.stride, bias=spec.bias)


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
