"""ViT's weights as ``transformers`` calls them, today and in the checkpoints that were published before 5.0."""

from __future__ import annotations

from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.transforms import WithoutBatch

_LAYER = (
    ("attention.query", "attention.q_proj"),
    ("attention.key", "attention.k_proj"),
    ("attention.value", "attention.v_proj"),
    ("attention.project", "attention.o_proj"),
    ("attention_norm", "layernorm_before"),
    ("feed_forward.inner", "mlp.fc1"),
    ("feed_forward.outer", "mlp.fc2"),
    ("feed_forward_norm", "layernorm_after"),
)


_OLD = {
    "encoder.layer.": "layers.",
    "attention.attention.query.": "attention.q_proj.",
    "attention.attention.key.": "attention.k_proj.",
    "attention.attention.value.": "attention.v_proj.",
    "attention.output.dense.": "attention.o_proj.",
    "intermediate.dense.": "mlp.fc1.",
    ".output.dense.": ".mlp.fc2.",
}
"""Parts of names before 5.0, and in all files still, by which today's are read."""

TRANSFORMERS = NameTable(
    prefix="vit.",
    backbone=Part(
        entries=(
            Entry("embeddings.class_token", "embeddings.cls_token", WithoutBatch()),
            Entry("embeddings.position.weight", "embeddings.position_embeddings", WithoutBatch()),
            Entry("embeddings.patch.{leaf}", "embeddings.patch_embeddings.projection.{leaf}"),
            *(
                Entry(f"encoder.layers.{{layer}}.{ours}.{{leaf}}", f"layers.{{layer}}.{theirs}.{{leaf}}")
                for ours, theirs in _LAYER
            ),
            Entry("encoder.norm.{leaf}", "layernorm.{leaf}"),
        )
    ),
    heads=(Part(entries=(Entry("classifier.dense.{leaf}", "classifier.{leaf}"),)),),
    old_parts=_OLD,
    filed={new: old for old, new in reversed(_OLD.items())},
)

VIT_NAMES = {"transformers": TRANSFORMERS}
