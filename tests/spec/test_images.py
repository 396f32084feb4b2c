"""Image families refuse sizes that they cannot cut or halve, and images that their norms could say nothing of."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_spec import load_spec
from zoo_spec.blocks.patch_embeddings import interpolation_matrix
from zoo_spec.errors import SpecError

REFUSED = [
    ("vit_b16", ["model.image_size=[225,224]"], r"image_size \[225, 224\] is no multiple of patch_size 16"),
    ("vit_b16", ["model.position_image_size=[224,200]"], r"position_image_size \[224, 200\] is no multiple"),
    ("vit_b16", ["task.kind=segmentation"], "segmentation needs feature_map, which vit_b16 does not give"),
    (
        "unet_dagm",
        ["model.image_size=[250,256]"],
        r"\[250, 256\] cannot be halved 3 times.*take \[248, 256\]",
    ),
    ("unet_dagm", ["model.decoder_filters=[64,32]"], "decoder_filters has 2 widths.*it takes 3"),
    ("unet_dagm", ["model.kernel_sizes=[3,2]"], "kernel_sizes has 2, which is even"),
    ("unet_dagm", ["task.kind=image_classification"], "image_classification needs features"),
    ("unet_inria", ["model.norm.groups=24"], "24 groups, which do not divide the 32 channels"),
    (
        "unet_inria",
        ["model.norm={kind: layer_norm, epsilon: 1e-5}"],
        "no channel_norm block of kind 'layer_norm'",
    ),
    (
        "unet_tiny",
        ["model.norm={kind: instance_norm, epsilon: 1e-5}", "model.image_size=[4,4]"],
        "would normalise single values",
    ),
]


@pytest.mark.parametrize(("name", "overrides", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_does_not_fit_an_image_family_is_refused_by_name(name, overrides, message):
    with pytest.raises(SpecError, match=message):
        load_spec(name, overrides).graph()


@pytest.mark.parametrize(("old", "new"), [((4, 4), (7, 3)), ((5, 3), (5, 3)), ((1, 6), (4, 13))])
def test_interpolated_positions_are_torch_s_bicubic_ones(old, new):
    import torch

    table = np.random.default_rng(0).standard_normal((*old, 5))
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(table).permute(2, 0, 1)[None], size=new, mode="bicubic", align_corners=False
    )[0].permute(1, 2, 0)
    found = interpolation_matrix(old, new) @ table.reshape(-1, 5)
    assert np.abs(found - wanted.reshape(-1, 5).numpy()).max() < 1e-14
