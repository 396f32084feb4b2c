"""Squeeze-and-excitation (Hu et al., 2018): channels weighed by what the whole image shows."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_excitation import block as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children
from zoo_torch.precision import at_least_float32


class SqueezeExcitation(nn.Module):
    """``x * gate(expand(activation(reduce(mean of x))))``: ``[batch, height, width, channels]`` to the same shape."""

    def __init__(
        self, *, reduce: nn.Module, activation: nn.Module, expand: nn.Module, gate: nn.Module
    ) -> None:
        super().__init__()
        self.reduce = reduce
        self.activation = activation
        self.expand = expand
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        squeezed = at_least_float32(x).mean((1, 2)).to(x.dtype)
        weights = self.gate(self.expand(self.activation(self.reduce(squeezed))))
        return x * weights[:, None, None, :]


@build.register
def _squeeze_excitation(spec: specs.SqueezeExcitation, inputs: Inputs) -> SqueezeExcitation:
    return SqueezeExcitation(**build_children(spec, inputs))
