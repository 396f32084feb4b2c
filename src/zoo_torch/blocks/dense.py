"""An affine map of the last dimension: torch's own ``nn.Linear``."""

from __future__ import annotations

from torch import nn

from zoo_spec.blocks import dense as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class Dense(nn.Linear):
    """``y = x W^T + b``: ``[..., in_features]`` to ``[..., out_features]``."""


@build.register
def _dense(spec: specs.Dense, inputs: Inputs) -> Dense:
    return Dense(inputs["x"].width, spec.size, bias=spec.bias)
