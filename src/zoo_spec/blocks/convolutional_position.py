"""Positions by a convolution over what is around (wav2vec 2.0, Baevski et al., 2020, 2)."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.activation import ActivationKind, activation
from zoo_spec.blocks.base import Block, Inputs, Outputs, ShapeError
from zoo_spec.blocks.position import Position
from zoo_spec.cost import Cost
from zoo_spec.initializers import Constant, Normal, Zeros
from zoo_spec.parameters import Parameter
from zoo_spec.tensors import Dimension


class ConvolutionalPosition(Position):
    """Adds ``activation(convolution(x))`` in groups of channels, zeros beyond both ends; keeps the length.

    The kernel is ``gain * direction / norm(direction)``, with a norm for each place in the kernel (weight norm,
    Salimans & Kingma, 2016, over torch's dimension 2). Output ``t`` sees ``t - size // 2`` and on: of a kernel of
    even length, one more place before than after.
    """

    kind: Literal["convolutional_position"] = "convolutional_position"
    keeps_examples_apart: ClassVar[bool] = False
    size: PositiveInt = 128
    """Length of the kernel."""
    groups: PositiveInt = 16
    """Number of groups of channels; must divide the hidden size."""
    activation: ActivationKind = "gelu_erf"
    """Activation of what the convolution gives."""

    def infer(self, inputs: Inputs) -> Outputs:
        """Same shape."""
        outputs = super().infer(inputs)
        width = inputs["x"].width
        if width % self.groups:
            raise ShapeError(
                f"has {self.groups} groups, and {width} channels are no multiple of that; give groups that divide it"
            )
        return outputs

    def thresholds(self, inputs: Inputs) -> dict[Dimension, int]:
        """Rows that the kernel covers; at a longer one's middle it sees no zeros beyond the ends."""
        return {inputs["x"].shape[1]: self.size}

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """``gain [1, 1, size]``, ``direction [out, in / groups, size]`` and ``bias [out]``.

        Starts as fairseq's: normal with variance ``4 / (size * out)``, and the gain that is this kernel's norm.
        """
        width = inputs["x"].width
        std = math.sqrt(4 / (self.size * width))
        shape = (width, width // self.groups, self.size)
        gain = Constant(value=std * math.sqrt(shape[0] * shape[1]))
        return {
            "gain": Parameter((1, 1, self.size), gain, "norm"),
            "direction": Parameter(shape, Normal(std=std), "weight"),
            "bias": Parameter((width,), Zeros(), "bias"),
        }

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``activation``."""
        return {"activation": (activation(self.activation), {"x": inputs["x"]})}

    def cost(self, inputs: Inputs) -> Cost:
        """One convolution; its input and its kernel are kept."""
        x = inputs["x"]
        inside = x.width // self.groups
        flops = 2 * x.elements * inside * self.size
        return Cost(flops=flops, kernels=1, saved=x.elements + x.width * inside * self.size)
