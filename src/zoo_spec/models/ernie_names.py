"""ERNIE's weights as ``transformers`` calls them: BERT's names with another prefix, and the table of task types."""

from __future__ import annotations

from dataclasses import replace

from zoo_spec.foreign.names import Entry
from zoo_spec.models.bert_names import TRANSFORMERS as BERT

_TASK_TYPES = Entry("embeddings.task_type.weight", "embeddings.task_type_embeddings.weight")

ERNIE_NAMES = {
    "transformers": replace(
        BERT,
        prefix="ernie.",
        backbone=replace(BERT.backbone, entries=(*BERT.backbone.entries, _TASK_TYPES)),
    )
}
