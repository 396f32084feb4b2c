"""From a waveform to frames: convolutions in time (Hsu et al., 2021, 3.1; wav2vec 2.0's, Baevski et al., 2020)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.activation import ActivationKind, activation
from zoo_spec.blocks.base import (
    Block,
    Inputs,
    Outputs,
    ShapeError,
    require_float,
    require_ids,
    require_known,
    require_rank,
)
from zoo_spec.blocks.norm import Norm
from zoo_spec.cost import Cost
from zoo_spec.initializers import HeNormal, Initializer, Ones, Zeros
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import INT, Dimension, TensorSpec, Windows

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


def frames(length: Dimension, size: int, stride: int) -> Dimension:
    """How many windows fit along time; raises ShapeError if none does.

    Where the length is open, so is the number, which then follows from it.
    """
    if isinstance(length, Windows):
        return length.windows(size, stride)
    if isinstance(length, str):
        return Windows("frames", length, size, stride)
    if length < size:
        raise ShapeError(f"needs at least {size} in time, and there are {length}; give a longer waveform")
    return (length - size) // stride + 1


class Conv1d(Block):
    """Cross-correlation along time, ``[batch, time, in]`` to ``[batch, frames, channels]``, without padding."""

    kind: Literal["conv1d"] = "conv1d"
    keeps_examples_apart: ClassVar[bool] = False
    channels: PositiveInt
    """Number of output channels."""
    size: PositiveInt
    """Length of the kernel."""
    stride: PositiveInt = 1
    """Steps along time."""
    bias: bool = True
    """Whether a bias is added."""
    initializer: Initializer = HeNormal()
    """Initial values of the kernel."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, frames, channels]``."""
        x = inputs["x"]
        require_rank(x, 3, "[batch, time, channels]")
        require_float(x)
        require_known(x, 2)
        length = frames(x.shape[1], self.size, self.stride)
        return {"x": x.with_shape(x.shape[0], length, self.channels, axes=("batch", "frames", "channels"))}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight [out, in, size]`` and ``bias [out]``."""
        shape = (self.channels, inputs["x"].width, self.size)
        table = {"weight": Parameter(shape, self.initializer, "weight")}
        if self.bias:
            table["bias"] = Parameter((self.channels,), Zeros(), "bias")
        return table

    def cost(self, inputs: Inputs) -> Cost:
        """One convolution; its input is kept."""
        x = inputs["x"]
        flops = 2 * self.infer(inputs)["x"].elements * x.width * self.size
        return Cost(flops=flops, kernels=1, saved=x.elements)


class TimeNorm(Norm):
    """``(x - mean) / sqrt(variance + epsilon) * weight + bias`` of each channel over the whole row's time.

    It is group norm (Wu & He, 2018) with as many groups as channels. Padding counts like the rest.
    """

    kind: Literal["time_norm"] = "time_norm"
    keeps_examples_apart: ClassVar[bool] = False
    counts_padding: ClassVar[bool] = True

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape, ``[batch, time, channels]``."""
        require_rank(inputs["x"], 3, "[batch, time, channels]")
        return super().infer(inputs)

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight`` and ``bias``, one for each channel."""
        shape = (inputs["x"].width,)
        return {"weight": Parameter(shape, Ones(), "norm"), "bias": Parameter(shape, Zeros(), "norm")}


class WaveformLayer(Block):
    """Convolution, norm if there is one, activation."""

    kind: Literal["waveform_layer"] = "waveform_layer"
    convolution: Conv1d
    """What moves along time."""
    norm: Norm | None = None
    """Norm of what it gives; null for none."""
    activation: ActivationKind = "gelu_erf"
    """Activation at the end."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, frames, channels]``."""
        if self.norm is not None:
            self.infer_child("norm", inputs)
        return self.convolution.infer(inputs)

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``convolution``, ``norm`` if there is one, and ``activation``."""
        found = self.convolution.infer(inputs)
        norm: dict[str, tuple[Block, Inputs]] = {} if self.norm is None else {"norm": (self.norm, found)}
        return {
            "convolution": (self.convolution, inputs),
            **norm,
            "activation": (activation(self.activation), found),
        }


class WaveformEncoder(Block):
    """Convolutions over ``x [batch, samples]``, which give ``[batch, frames, channels]``.

    A frame is as many samples as reach it through all layers, 400 by default, a frame every 320: 25 ms every
    20 ms at 16 kHz. Convolutions do not keep the examples of a packed row apart.
    """

    kind: Literal["waveform_encoder"] = "waveform_encoder"
    role: ClassVar[str] = "waveform_encoder"
    keeps_examples_apart: ClassVar[bool] = False
    channels: Sizes = (512,) * 7
    """Output channels of each layer."""
    sizes: Sizes = (10, 3, 3, 3, 3, 2, 2)
    """Length of each layer's kernel."""
    strides: Sizes = (5, 2, 2, 2, 2, 2, 2)
    """Each layer's step."""
    bias: bool = False
    """Whether the convolutions have biases."""
    first_norm: Norm | None = TimeNorm(epsilon=1e-5)
    """Norm in the first layer; null for none."""
    norm: Norm | None = None
    """Norm in each of the other layers; null for none."""
    activation: ActivationKind = "gelu_erf"
    """Activation of every layer."""
    kernel_initializer: Initializer = HeNormal()
    """Initial values of the kernels."""

    @property
    def frame(self) -> tuple[int, int]:
        """Samples of a frame, and from a frame's start to the next one's."""
        whole = Windows("frames", "samples", 1, 1)
        for size, stride in zip(self.sizes, self.strides, strict=True):
            whole = whole.windows(size, stride)
        return whole.size, whole.stride

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, frames, channels]``."""
        x = inputs["x"]
        require_rank(x, 2, "a waveform [batch, samples]")
        require_float(x)
        length = frames(x.shape[1], *self.frame)
        for layer, layer_inputs in self.children(inputs).values():
            layer.infer(layer_inputs)
        return {
            "x": x.with_shape(x.shape[0], length, self.channels[-1], axes=("batch", "frames", "channels"))
        }

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``layers.0``, ``layers.1``, ..."""
        x = inputs["x"]
        x = x.with_shape(*x.shape, 1, axes=(*x.named_axes, "channels"))
        layers: dict[str, tuple[Block, Inputs]] = {}
        for index, channels in enumerate(self.channels):
            convolution = Conv1d(
                channels=channels,
                size=self.sizes[index],
                stride=self.strides[index],
                bias=self.bias,
                initializer=self.kernel_initializer,
            )
            norm = self.norm if index else self.first_norm
            layer = WaveformLayer(convolution=convolution, norm=norm, activation=self.activation)
            layers[f"layers.{index}"] = (layer, {"x": x})
            x = layer.infer({"x": x})["x"]
        return layers

    @model_validator(mode="after")
    def _as_many_of_each(self) -> WaveformEncoder:
        if not len(self.channels) == len(self.sizes) == len(self.strides):
            raise ValueError(
                f"{len(self.channels)} channels, {len(self.sizes)} sizes and {len(self.strides)} strides are "
                "given; each layer needs one of each"
            )
        return self


class FrameIds(Block):
    """Which frames are of real samples alone: ``sample_ids [batch, samples]`` to ids ``[batch, frames]``.

    A frame of ``x [batch, frames, channels]`` is what its last sample is, since padding stands at the end.
    """

    kind: Literal["frame_ids"] = "frame_ids"
    required = ("sample_ids", "x")
    size: PositiveInt
    """Samples of a frame."""
    stride: PositiveInt
    """Samples from a frame's start to the next one's."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, frames]``, int32."""
        ids, x = inputs["sample_ids"], inputs["x"]
        require_ids(inputs, "sample_ids", shape=(x.shape[0], *(ids.shape[1:2] or ("samples",))))
        length = frames(ids.shape[1], self.size, self.stride)
        if x.shape[1] != length:
            raise ShapeError(
                f"has frames of {self.size} samples every {self.stride}, and not as many as x has"
            )
        return {"ids": TensorSpec((ids.shape[0], length), INT)}
