"""ViT's weights as ``transformers`` calls them, today and in the checkpoints that were published before 5.0."""

from __future__ import annotations

import numpy as np

from zoo_spec.foreign.names import Arrays, Entry, NameTable, Part
from zoo_spec.foreign.settings import usual_settings

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


class WithoutBatch:
    """Tables that are kept with a leading dimension of 1 elsewhere."""

    def read(self, foreign: Arrays) -> Arrays:
        """``[1, rows, size]`` to ``[rows, size]``; any other is left for the shape check to name."""
        return tuple(array[0] if array.ndim == 3 and len(array) == 1 else array for array in foreign)

    def write(self, canonical: Arrays) -> Arrays:
        """``[rows, size]`` to ``[1, rows, size]``."""
        return tuple(array[np.newaxis] for array in canonical)


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
    old_parts={
        "encoder.layer.": "layers.",
        "attention.attention.query.": "attention.q_proj.",
        "attention.attention.key.": "attention.k_proj.",
        "attention.attention.value.": "attention.v_proj.",
        "attention.output.dense.": "attention.o_proj.",
        "intermediate.dense.": "mlp.fc1.",
        ".output.dense.": ".mlp.fc2.",
    },
    settings=usual_settings("gelu", 1e-12),
)

VIT_NAMES = {"transformers": TRANSFORMERS}
