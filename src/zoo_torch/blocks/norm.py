"""Norms over the last dimension: torch's own, with every default stated."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_spec.blocks import norm as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.precision import at_least_float32


class LayerNorm(nn.LayerNorm):
    """``(x - mean) / sqrt(variance + eps) * weight + bias``; half-width input is computed in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(at_least_float32(x)).to(x.dtype)


class RmsNorm(nn.RMSNorm):
    """``x / sqrt(mean(x^2) + eps) * weight``; half-width input is computed in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(at_least_float32(x)).to(x.dtype)


@build.register
def _layer_norm(spec: specs.LayerNorm, inputs: Inputs) -> LayerNorm:
    return LayerNorm(inputs["x"].width, eps=spec.epsilon)


@build.register
def _rms_norm(spec: specs.RmsNorm, inputs: Inputs) -> RmsNorm:
    return RmsNorm(inputs["x"].width, eps=spec.epsilon)
