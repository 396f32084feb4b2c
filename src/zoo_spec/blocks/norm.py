"""Norms, of vectors and across places; epsilon has no default, since the frameworks' differ by a factor of 100."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveFloat, PositiveInt, Rate
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError, require_features
from zoo_spec.cost import Cost
from zoo_spec.initializers import Ones, Zeros
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import TensorSpec


class Norm(Block):
    """Normalises each vector of the last dimension, computed in float32 or wider; keeps the shape."""

    role: ClassVar[str] = "norm"
    rounds_once: ClassVar[bool] = True
    epsilon: PositiveFloat
    """Added to the variance (or mean square) under the root."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        require_features(x)
        return {"x": x}

    def cost(self, inputs: Inputs) -> Cost:
        """The input is kept for the backward pass, as wide as it is computed, and one or two numbers a vector."""
        x = inputs["x"]
        return Cost(wide=x.elements + 2 * x.elements // x.width)


class LayerNorm(Norm):
    """``(x - mean) / sqrt(variance + epsilon) * weight + bias``, biased variance (Ba et al., 2016)."""

    kind: Literal["layer_norm"] = "layer_norm"

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight`` and ``bias``, as wide as the input."""
        shape = (inputs["x"].width,)
        return {"weight": Parameter(shape, Ones(), "norm"), "bias": Parameter(shape, Zeros(), "norm")}


class RmsNorm(Norm):
    """``x / sqrt(mean(x^2) + epsilon) * weight`` (Zhang & Sennrich, 2019)."""

    kind: Literal["rms_norm"] = "rms_norm"

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight``, as wide as the input."""
        return {"weight": Parameter((inputs["x"].width,), Ones(), "norm")}


class ChannelNorm(Block):
    """Normalises ``[batch, ..., channels]`` across places, then ``x * weight + bias`` by channel; keeps the shape.

    Computed in float32 or wider, with the biased variance. A role of its own: it mixes places, as a norm of
    tokens must not.
    """

    role: ClassVar[str] = "channel_norm"
    rounds_once: ClassVar[bool] = True
    keeps_examples_apart: ClassVar[bool] = False
    counts_padding: ClassVar[bool] = True
    epsilon: PositiveFloat
    """Added to the variance under the root; torch's default is 1e-5, Keras' 1e-3."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        x = inputs["x"]
        require_features(x)
        return {"x": x}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight`` and ``bias [channels]``."""
        shape = (inputs["x"].width,)
        return {"weight": Parameter(shape, Ones(), "norm"), "bias": Parameter(shape, Zeros(), "norm")}

    def cost(self, inputs: Inputs) -> Cost:
        """The input is kept for the backward pass, as wide as it is computed."""
        return Cost(wide=inputs["x"].elements)


class BatchNorm(ChannelNorm):
    """Each channel over the whole batch and all places (Ioffe & Szegedy, 2015).

    In training by the batch's own statistics, which also move the running ones; else by those. The running
    variance takes the unbiased one, times n / (n - 1), as in the paper's algorithm 2 and in torch; Keras 3 takes
    the biased. With micro-batches the statistics are each one's own.
    """

    kind: Literal["batch_norm"] = "batch_norm"
    decay: Rate = 0.9
    """Part of the running statistics that a step keeps: Keras' momentum, and 1 less torch's."""
    statistics: Literal["local", "synchronized"] = "local"
    """What is normalised by where replicas share a micro-batch: local, by each one's own rows, and the running
    statistics are the replicas' mean, weighted by their rows; synchronized, by the rows of all, as in one process."""

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``weight``, ``bias``, and the statistics ``running_mean`` and ``running_var``, which are not trained."""
        shape = (inputs["x"].width,)
        return {
            **super().parameters(inputs),
            "running_mean": Parameter(shape, Zeros(), "norm", trainable=False),
            "running_var": Parameter(shape, Ones(), "norm", trainable=False),
        }


class GroupNorm(ChannelNorm):
    """Each group of channels of an example over all places (Wu & He, 2018)."""

    kind: Literal["group_norm"] = "group_norm"
    groups: PositiveInt
    """Number of groups; must divide the channels."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        outputs = super().infer(inputs)
        width = inputs["x"].width
        if width % self.groups:
            raise ShapeError(f"has {self.groups} groups, which do not divide the {width} channels")
        _require_several(inputs["x"], width // self.groups)
        return outputs


class InstanceNorm(ChannelNorm):
    """Each channel of an example over all places (Ulyanov et al., 2016)."""

    kind: Literal["instance_norm"] = "instance_norm"

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        outputs = super().infer(inputs)
        _require_several(inputs["x"], 1)
        return outputs


def _require_several(x: TensorSpec, channels: int) -> None:
    """Raise ShapeError where there is one value to normalise, which would always become 0."""
    if channels == 1 and all(size == 1 for size in x.shape[1:-1]):
        raise ShapeError("would normalise single values, which all become 0; give it more places or channels")
