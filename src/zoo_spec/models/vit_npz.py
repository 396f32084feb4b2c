"""ViT as google-research/vision_transformer publishes it: a ``.npz`` of flax' arrays, which say all sizes.

vit_jax/{checkpoint,models_vit}.py; timm's reader of the same files (timm/models/vision_transformer.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from zoo_spec.foreign.always import Always
from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys, Only
from zoo_spec.foreign.hub import labelled, plain
from zoo_spec.foreign.layouts import HWIO, IntoHeads, OutOfHeads
from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.transforms import TRANSPOSE, Shape, WithoutBatch

_LAYER, _BLOCK = "encoder.layers.{layer}", "Transformer/encoderblock_{layer}"
_ATTENTION = "MultiHeadDotProductAttention_1"
_POSITIONS = "Transformer/posembed_input/pos_embedding"
PRE_LOGITS = "pre_logits/kernel"


def _norm(ours: str, theirs: str) -> tuple[Entry, Entry]:
    return Entry(f"{ours}.weight", f"{theirs}/scale"), Entry(f"{ours}.bias", f"{theirs}/bias")


def _dense(ours: str, theirs: str) -> tuple[Entry, Entry]:
    return (
        Entry(f"{ours}.weight", f"{theirs}/kernel", TRANSPOSE),
        Entry(f"{ours}.bias", f"{theirs}/bias"),
    )


def npz_names(heads: int) -> NameTable:
    """The names of a model of so many heads, which the attention's arrays have as an axis."""
    inside = IntoHeads(heads)
    attention = [
        entry
        for name in ("query", "key", "value")
        for entry in (
            Entry(f"{_LAYER}.attention.{name}.weight", f"{_BLOCK}/{_ATTENTION}/{name}/kernel", inside),
            Entry(f"{_LAYER}.attention.{name}.bias", f"{_BLOCK}/{_ATTENTION}/{name}/bias", inside),
        )
    ]
    out = f"{_BLOCK}/{_ATTENTION}/out"
    return NameTable(
        backbone=Part(
            entries=(
                Entry("embeddings.class_token", "cls", WithoutBatch()),
                Entry("embeddings.position.weight", _POSITIONS, WithoutBatch()),
                Entry("embeddings.patch.weight", "embedding/kernel", HWIO),
                Entry("embeddings.patch.bias", "embedding/bias"),
                *attention,
                Entry(f"{_LAYER}.attention.project.weight", f"{out}/kernel", OutOfHeads(heads)),
                Entry(f"{_LAYER}.attention.project.bias", f"{out}/bias"),
                *_norm(f"{_LAYER}.attention_norm", f"{_BLOCK}/LayerNorm_0"),
                *_norm(f"{_LAYER}.feed_forward_norm", f"{_BLOCK}/LayerNorm_2"),
                *_dense(f"{_LAYER}.feed_forward.inner", f"{_BLOCK}/MlpBlock_3/Dense_0"),
                *_dense(f"{_LAYER}.feed_forward.outer", f"{_BLOCK}/MlpBlock_3/Dense_1"),
                *_norm("encoder.norm", "Transformer/encoder_norm"),
            )
        ),
        heads=(Part(entries=_dense("classifier.dense", "head"), unused=(PRE_LOGITS, "pre_logits/bias")),),
        # Of training states, and of big_vision, which numbers a layer's parts otherwise.
        old_parts={
            "opt/target/": "",
            "params/img/": "",
            "params/": "",
            "MultiHeadDotProductAttention_0/": f"{_ATTENTION}/",
            "LayerNorm_1/": "LayerNorm_2/",
            "MlpBlock_0/": "MlpBlock_3/",
            _POSITIONS: "pos_embedding",
        },
        old_endings={"pos_embedding": _POSITIONS},
    )


def npz_config(shapes: Mapping[str, Shape]) -> Config:
    """What the arrays' names, spelled as the table spells them, and shapes say of the model.

    Raises ValueError for what is missing, and for parts that the family has no place for.
    """

    def shape(name: str, axes: int) -> Shape:
        found = shapes.get(name, ())
        if len(found) != axes:
            raise ValueError(f"{name} is {'missing' if name not in shapes else f'of shape {list(found)}'}")
        return found

    if any(name.startswith("Transformer/encoderblock/") for name in shapes):
        raise ValueError(
            "Transformer/encoderblock has all layers in one array each; save them layer by layer"
        )
    if any(name.startswith("conv_root/") for name in shapes):
        raise ValueError("conv_root is of a hybrid with convolutions, which this family has not")
    height, width, channels, size = shape("embedding/kernel", 4)
    shape("cls", 3)
    patches = shape(_POSITIONS, 3)[1] - 1
    side = math.isqrt(max(patches, 0))
    if height != width or side * side != patches or not side:
        raise ValueError(
            f"{_POSITIONS} has {patches} patches of {height} by {width}, which fill no square image"
        )
    numbers = [re.match(r"Transformer/encoderblock_(\d+)/", name) for name in shapes]
    block = "Transformer/encoderblock_0"
    return {
        "image_size": side * height,
        "patch_size": height,
        "channels": channels,
        "hidden_size": size,
        "num_layers": max((int(match[1]) + 1 for match in numbers if match), default=0),
        "num_heads": shape(f"{block}/{_ATTENTION}/query/kernel", 3)[1],
        "mlp_dim": shape(f"{block}/MlpBlock_3/Dense_0/kernel", 2)[1],
        **({"num_labels": shape("head/kernel", 2)[1]} if "head/kernel" in shapes else {}),
        **({"representation_size": shape(PRE_LOGITS, 2)[1]} if PRE_LOGITS in shapes else {}),
    }


def _square(model: Fields) -> Config:
    sides = model["position_image_size"] or model["image_size"]
    if not isinstance(sides, list | tuple) or sides[0] != sides[1]:
        raise ValueError(f"model.image_size is {sides}, and images are square there")
    return {"image_size": sides[0]}


NPZ_CONFIG = ConfigTable(
    model_type="vit",
    says=(
        Keys({"image_size": 224}, lambda config: {"image_size": [config["image_size"]] * 2}, _square),
        Key("patch_size", "patch_size", 16),
        Key("channels", "channels", 3),
        Key("hidden_size", "hidden_size", 768),
        Key("num_layers", "num_layers", 12),
        Key("num_heads", "num_heads", 12),
        Key("mlp_dim", "intermediate_size", 3072),
        # flax' defaults.
        Always("vision_transformer", {"activation": "gelu_tanh", "layer_norm_epsilon": 1e-6}),
    ),
    # A layer before the head, of the pre-trained files of 2020: without the head it may be left, with it, it may not.
    only=(
        Only(
            "representation_size",
            (None,),
            "its pre_logits stands before the head, where this family has no layer; import it with --task "
            "representation, or the fine-tuned file, which has none",
            of=("image_classification",),
        ),
    ),
    tasks=(plain("", "representation"), labelled("head", "image_classification")),
)
