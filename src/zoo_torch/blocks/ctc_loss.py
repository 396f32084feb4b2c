"""Connectionist temporal classification: labels whose places in time are not known (Graves et al., 2006)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo_spec.blocks import ctc_loss as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build
from zoo_torch.blocks.losses import weighted

# B batch, T frames, C classes, L labels.


class CtcLoss(nn.Module):
    """Of ``logits [B, T, C]`` and ``labels [B, L]``: gives ``loss``, ``numerator`` and ``denominator``, scalars."""

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        weights: Tensor | None = None,
        *,
        frame_ids: Tensor | None = None,
    ) -> dict[str, Tensor]:
        # The recursion adds up the logarithms of whole paths, of whose size float32 leaves a gradient few digits.
        log_TBC = logits.double().log_softmax(-1).transpose(0, 1)
        is_label = labels != specs.BLANK
        if weights is not None:  # An infinite loss times no weight is no number.
            is_label = is_label & (weights > 0)[:, None]
        order = torch.sort((~is_label).int(), dim=1, stable=True).indices
        every = logits.new_ones(logits.shape[:2])
        lengths = ((every if frame_ids is None else frame_ids) > 0).sum(1)
        each = F.ctc_loss(
            log_TBC,
            labels.gather(1, order).long(),
            lengths,
            is_label.sum(1),
            blank=specs.BLANK,
            reduction="none",
        )
        return weighted(each.to(torch.promote_types(logits.dtype, torch.float32)), weights)


@build.register
def _ctc_loss(spec: specs.CtcLoss, inputs: Inputs) -> CtcLoss:
    return CtcLoss()
