"""The stack in PyTorch."""

from __future__ import annotations

from torch import Tensor, nn

import zoo_residual as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build, build_children


class ResidualLayer(nn.Module):
    """``x + outer(relu(inner(norm(x))))``."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.outer(self.activation(self.inner(self.norm(x)))))


class ResidualStack(nn.Module):
    """Layers one after the other."""

    def __init__(self, *, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


@build.register
def _layer(spec: specs.ResidualLayer, inputs: Inputs) -> ResidualLayer:
    return ResidualLayer(**build_children(spec, inputs))


@build.register
def _stack(spec: specs.ResidualStack, inputs: Inputs) -> ResidualStack:
    return ResidualStack(layers=list(build_children(spec, inputs).values()))
