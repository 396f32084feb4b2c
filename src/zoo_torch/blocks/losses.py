"""Losses, in float32 or wider, as numerator over denominator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import losses as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


class SoftmaxCrossEntropy(nn.Module):
    """Cross-entropy of integer labels: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, *, label_smoothing: float) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        each = F.cross_entropy(
            logits.to(wide).flatten(0, -2),
            labels.flatten().long(),
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        weights = torch.ones_like(each) if weights is None else weights.flatten().to(wide)
        numerator = (weights * each).sum()
        denominator = weights.sum()
        return {
            "loss": numerator / denominator.clamp(min=1),
            "numerator": numerator,
            "denominator": denominator,
        }


class SumLosses(nn.Module):
    """Weighted sum of losses."""

    def __init__(self, *, weights: tuple[float, ...]) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, *losses: Tensor) -> Tensor:
        terms = [weight * loss for weight, loss in zip(self.weights, losses, strict=True)]
        return torch.stack(terms).sum()


@build.register
def _softmax_cross_entropy(spec: specs.SoftmaxCrossEntropy, inputs: Inputs) -> SoftmaxCrossEntropy:
    return SoftmaxCrossEntropy(label_smoothing=spec.label_smoothing)


@build.register
def _sum_losses(spec: specs.SumLosses, inputs: Inputs) -> SumLosses:
    return SumLosses(weights=spec.weights or (1.0,) * len(inputs))
