"""An affine map of the last dimension: torch's own ``nn.Linear``."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import dense as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import narrowed


class Dense(nn.Linear):
    """``y = x W^T + b``: ``[..., in_features]`` to ``[..., out_features]``."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else narrowed(self.bias, x)
        return F.linear(x, narrowed(self.weight, x), bias)


@build.register
def _dense(spec: specs.Dense, inputs: Inputs) -> Dense:
    return Dense(inputs["x"].width, spec.size, bias=spec.bias)
