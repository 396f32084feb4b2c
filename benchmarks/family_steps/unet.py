"""The classic UNet, one image of 512 by 512; neither of the other libraries has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from family_steps.family import Family
from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case


def draw(case: Case, rows: int) -> Arrays:
    rng, model = np.random.default_rng(0), case.spec.model
    shape = (rows, *model.image_size)
    return {
        "image": rng.standard_normal((*shape, model.channels), np.float32),
        "labels": rng.integers(0, case.spec.task.classes, shape, np.int32),
        "label_weights": np.ones(shape, np.float32),
    }


FAMILY = Family(
    "unet",
    "unet_classic",
    draw,
    rows=1,
    tiny=("model.image_size=[64, 64]", "model.filters=[16, 32]"),
    share=0.75,
)
