"""Losses, in float32 or wider, as numerator over denominator."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import losses as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.product import Product, cross_entropy_sum

# B batch, T tokens, E examples in a row.


class SoftmaxCrossEntropy(nn.Module):
    """Cross-entropy of integer labels: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def __init__(self, *, label_smoothing: float) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(
        self, logits: Tensor | Product, labels: Tensor, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        if isinstance(logits, Product):
            return self._in_parts(logits, labels.flatten().long(), weights)
        wide = torch.promote_types(logits.dtype, torch.float32)
        each = F.cross_entropy(
            logits.to(wide).flatten(0, -2),
            labels.flatten().long(),
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return weighted(each, weights)

    def _in_parts(self, logits: Product, labels: Tensor, weights: Tensor | None) -> dict[str, Tensor]:
        wide = torch.promote_types(logits.x.dtype, torch.float32)
        ones = torch.ones(len(labels), dtype=wide, device=labels.device)
        weights = ones if weights is None else weights.flatten().to(wide)
        return ratio(cross_entropy_sum(logits, labels, weights, self.label_smoothing), weights.sum())


class PositionCrossEntropy(nn.Module):
    """Cross-entropy of a position: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        weights: Tensor | None = None,
        *,
        example_ids: Tensor | None = None,
    ) -> dict[str, Tensor]:
        logits_BT = logits.to(torch.promote_types(logits.dtype, torch.float32))
        at_BE = labels.reshape(len(labels), -1).long()
        right_BE = torch.gather(logits_BT, 1, at_BE)
        logits_BET = logits_BT[:, None]
        if example_ids is not None:
            own_BE = torch.gather(example_ids, 1, at_BE)
            others_BET = example_ids[:, None] != own_BE[:, :, None]
            logits_BET = logits_BET.masked_fill(others_BET, float("-inf"))
        return weighted((logits_BET.logsumexp(2) - right_BE).flatten(), weights)


class SigmoidCrossEntropy(nn.Module):
    """Binary cross-entropy: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        each = F.binary_cross_entropy_with_logits(logits.to(wide), labels.to(wide), reduction="none")
        return weighted(each.flatten(), weights)


class SquaredError(nn.Module):
    """Squared differences: gives ``loss``, ``numerator`` and ``denominator``, three scalars."""

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        return weighted(F.mse_loss(logits.to(wide), labels.to(wide), reduction="none").flatten(), weights)


class Dice(nn.Module):
    """1 less the Dice coefficient of each image: gives ``loss``, ``numerator`` and ``denominator``."""

    def __init__(self, *, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing

    def each(self, p: Tensor, g: Tensor, w: Tensor) -> Tensor:
        """``1 - dice [batch]`` of probabilities, labels and weights ``[batch, places, classes]``."""
        top = w.amax(1, keepdim=True)
        w = w / top.masked_fill(top == 0, 1)
        overlap = 2 * (w * p * g).sum(1) + self.smoothing
        dice = overlap / ((w * p).sum(1) + (w * g).sum(1) + self.smoothing)
        return 1 - dice.mean(-1)


class SoftmaxDice(Dice):
    """The mean over all classes: ``logits [batch, ..., classes]``, ``labels`` and ``weights [batch, ...]``."""

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        p = logits.to(wide).softmax(-1).flatten(1, -2)
        g = F.one_hot(labels.flatten(1).long(), logits.shape[-1]).to(wide)
        w = torch.ones_like(p[..., 0]) if weights is None else weights.flatten(1).to(wide)
        return weighted(self.each(p, g, w[..., None]), w.sum(1))


class SigmoidDice(Dice):
    """Of one class, 1, against 0: ``logits``, ``labels`` and ``weights [batch, ...]``."""

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        p, g = logits.to(wide).sigmoid().flatten(1), labels.flatten(1).to(wide)
        w = torch.ones_like(p) if weights is None else weights.flatten(1).to(wide)
        return weighted(self.each(p[..., None], g[..., None], w[..., None]), w.sum(1))


def weighted(each: Tensor, weights: Tensor | None) -> dict[str, Tensor]:
    """``sum(weights * each) / sum(weights)`` of losses ``[count]``, 0 for no weight, and what it is the ratio of."""
    weights = torch.ones_like(each) if weights is None else weights.flatten().to(each.dtype)
    numerator = (weights * each).sum()
    return ratio(numerator, weights.sum())


def ratio(numerator: Tensor, denominator: Tensor) -> dict[str, Tensor]:
    """A loss and its parts; the loss is 0 where the denominator is."""
    return {
        "loss": numerator / denominator.masked_fill(denominator == 0, math.inf),
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
def _position_cross_entropy(spec: specs.PositionCrossEntropy, inputs: Inputs) -> PositionCrossEntropy:
    return PositionCrossEntropy()


@build.register
def _sigmoid_cross_entropy(spec: specs.SigmoidCrossEntropy, inputs: Inputs) -> SigmoidCrossEntropy:
    return SigmoidCrossEntropy()


@build.register
def _squared_error(spec: specs.SquaredError, inputs: Inputs) -> SquaredError:
    return SquaredError()


@build.register
def _softmax_dice(spec: specs.SoftmaxDice, inputs: Inputs) -> SoftmaxDice:
    return SoftmaxDice(smoothing=spec.smoothing)


@build.register
def _sigmoid_dice(spec: specs.SigmoidDice, inputs: Inputs) -> SigmoidDice:
    return SigmoidDice(smoothing=spec.smoothing)


@build.register
def _sum_losses(spec: specs.SumLosses, inputs: Inputs) -> SumLosses:
    return SumLosses(weights=spec.weights or (1.0,) * len(inputs))
