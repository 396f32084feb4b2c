"""HuBERT's weights as ``transformers`` calls them, and the head of its pre-training as fairseq does."""

from __future__ import annotations

from zoo_spec.foreign.names import Entry, NameTable, Part

_LAYER = (
    ("attention.query", "attention.q_proj"),
    ("attention.key", "attention.k_proj"),
    ("attention.value", "attention.v_proj"),
    ("attention.project", "attention.out_proj"),
    ("attention_norm", "layer_norm"),
    ("feed_forward.inner", "feed_forward.intermediate_dense"),
    ("feed_forward.outer", "feed_forward.output_dense"),
    ("feed_forward_norm", "final_layer_norm"),
)
_CONVOLUTIONS = (("convolution", "conv"), ("norm", "layer_norm"))
_POSITION = "encoder.pos_conv_embed.conv"

TRANSFORMERS = NameTable(
    prefix="hubert.",
    backbone=Part(
        entries=(
            *(
                Entry(
                    f"waveform_encoder.layers.{{layer}}.{ours}.{{leaf}}",
                    f"feature_extractor.conv_layers.{{layer}}.{theirs}.{{leaf}}",
                )
                for ours, theirs in _CONVOLUTIONS
            ),
            Entry("embeddings.feature_norm.{leaf}", "feature_projection.layer_norm.{leaf}"),
            Entry("embeddings.projection.{leaf}", "feature_projection.projection.{leaf}"),
            Entry("embeddings.mask_embedding", "masked_spec_embed"),
            Entry("embeddings.position.gain", f"{_POSITION}.parametrizations.weight.original0"),
            Entry("embeddings.position.direction", f"{_POSITION}.parametrizations.weight.original1"),
            Entry("embeddings.position.bias", f"{_POSITION}.bias"),
            *(
                Entry(
                    f"encoder.layers.{{layer}}.{ours}.{{leaf}}", f"encoder.layers.{{layer}}.{theirs}.{{leaf}}"
                )
                for ours, theirs in _LAYER
            ),
            # One name for two places: before the layers (base), or after them (large and extra large).
            Entry("embeddings.norm.{leaf}", "encoder.layer_norm.{leaf}"),
            Entry("encoder.norm.{leaf}", "encoder.layer_norm.{leaf}"),
        )
    ),
    heads=(
        Part(entries=(Entry("ctc.dense.{leaf}", "lm_head.{leaf}"),)),
        # transformers has no pre-training head; these are fairseq's names.
        Part(
            entries=(
                Entry("units.dense.{leaf}", "final_proj.{leaf}"),
                Entry("units.codes", "label_embs_concat"),
            )
        ),
    ),
    # What torch's older weight norm called them; the published checkpoints still have these.
    old_endings={
        "pos_conv_embed.conv.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
        "pos_conv_embed.conv.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
    },
)

HUBERT_NAMES = {"transformers": TRANSFORMERS}
