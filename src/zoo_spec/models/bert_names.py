"""BERT's weights as others call them: ``transformers``, google-research/bert's TensorFlow 1 checkpoints."""

from __future__ import annotations

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.foreign.names import Entry, NameTable, Part, Repeat
from zoo_spec.foreign.slots import with_slots
from zoo_spec.foreign.transforms import TRANSPOSE

# Modules here and in transformers. google-research/bert's scopes are the same, with slashes.
_EMBEDDINGS = (
    ("embeddings.token", "embeddings.word_embeddings"),
    ("embeddings.position", "embeddings.position_embeddings"),
    ("embeddings.token_type", "embeddings.token_type_embeddings"),
)
_LAYER = (
    ("attention.query", "attention.self.query"),
    ("attention.key", "attention.self.key"),
    ("attention.value", "attention.self.value"),
    ("attention.project", "attention.output.dense"),
    ("attention_norm", "attention.output.LayerNorm"),
    ("feed_forward.inner", "intermediate.dense"),
    ("feed_forward.outer", "output.dense"),
    ("feed_forward_norm", "output.LayerNorm"),
)
_AROUND = (("embeddings.norm", "embeddings.LayerNorm"),)
_POOLER = ("pooler.dense", "pooler.dense")
_MASKED_LM = (
    ("masked_lm.dense", "cls.predictions.transform.dense"),
    ("masked_lm.norm", "cls.predictions.transform.LayerNorm"),
)


def _both(canonical: str, foreign: str, *, optional: bool = False) -> Entry:
    return Entry(f"{canonical}.{{leaf}}", f"{foreign}.{{leaf}}", optional=optional)


TOKEN_HEADS = (
    Part(entries=(_both("token_classifier.dense", "classifier"),)),
    Part(entries=(_both("span.dense", "qa_outputs"),)),
)
"""The heads of token classification and of question answering, as ``transformers`` calls them."""


def _counted(table: Array) -> Array:
    return np.arange(len(table))[np.newaxis]


TRANSFORMERS = NameTable(
    prefix="bert.",
    backbone=Part(
        entries=(
            *(Entry(f"{ours}.weight", f"{theirs}.weight") for ours, theirs in _EMBEDDINGS),
            *(
                _both(f"encoder.layers.{{layer}}.{ours}", f"encoder.layer.{{layer}}.{theirs}")
                for ours, theirs in _LAYER
            ),
            *(_both(ours, theirs) for ours, theirs in _AROUND),
            # Files of classes that predict tokens have none.
            _both(*_POOLER, optional=True),
        ),
        # A buffer, 0, 1, 2, ..., that transformers saved before 4.31.
        repeats=(Repeat("embeddings.position_ids", "embeddings.position.weight", _counted, written=False),),
    ),
    heads=(
        Part(
            entries=(
                *(_both(ours, theirs) for ours, theirs in _MASKED_LM),
                Entry("masked_lm.decoder.bias", "cls.predictions.bias"),
            ),
            repeats=(
                Repeat("cls.predictions.decoder.weight", "embeddings.token.weight"),
                Repeat("cls.predictions.decoder.bias", "masked_lm.decoder.bias"),
            ),
        ),
        Part(entries=(_both("next_sentence.dense", "cls.seq_relationship"),)),
        Part(entries=(_both("classifier.dense", "classifier"),)),
        *TOKEN_HEADS,
    ),
    # Checkpoints converted from TensorFlow 1 still have these, bert-base-uncased among them.
    old_endings={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
)


def _google(canonical: str, scope: str, *, optional: bool = False) -> tuple[Entry, Entry]:
    path = scope.replace(".", "/")
    if scope.endswith("LayerNorm"):
        return Entry(f"{canonical}.weight", f"{path}/gamma"), Entry(f"{canonical}.bias", f"{path}/beta")
    kernel = Entry(f"{canonical}.weight", f"{path}/kernel", TRANSPOSE, optional)
    return kernel, Entry(f"{canonical}.bias", f"{path}/bias", optional=optional)


_GOOGLE = NameTable(
    backbone=Part(
        entries=(
            *(Entry(f"{ours}.weight", f"bert/{theirs.replace('.', '/')}") for ours, theirs in _EMBEDDINGS),
            *(
                entry
                for ours, theirs in _LAYER
                for entry in _google(
                    f"encoder.layers.{{layer}}.{ours}", f"bert.encoder.layer_{{layer}}.{theirs}"
                )
            ),
            *(entry for ours, theirs in _AROUND for entry in _google(ours, f"bert.{theirs}")),
            *_google("pooler.dense", "bert.pooler.dense", optional=True),
        )
    ),
    heads=(
        Part(
            entries=(
                *(entry for ours, theirs in _MASKED_LM for entry in _google(ours, theirs)),
                Entry("masked_lm.decoder.bias", "cls/predictions/output_bias"),
            )
        ),
        # The one matrix that run_pretraining.py keeps [out, in].
        Part(
            entries=(
                Entry("next_sentence.dense.weight", "cls/seq_relationship/output_weights"),
                Entry("next_sentence.dense.bias", "cls/seq_relationship/output_bias"),
            )
        ),
        # run_classifier.py and run_squad.py, [out, in] too.
        Part(
            entries=(
                Entry("classifier.dense.weight", "output_weights"),
                Entry("classifier.dense.bias", "output_bias"),
            )
        ),
        Part(
            entries=(
                Entry("span.dense.weight", "cls/squad/output_weights"),
                Entry("span.dense.bias", "cls/squad/output_bias"),
            )
        ),
    ),
)

GOOGLE = with_slots(_GOOGLE)

BERT_NAMES = {"transformers": TRANSFORMERS, "google-research/bert": GOOGLE}
