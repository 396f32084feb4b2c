"""GPT-2 small, 4 rows of 256 tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from family_steps.family import Family, KerasHub, Transformers
from family_steps.next_tokens import draw, kerashub_features, kerashub_labels, transformers_arguments

if TYPE_CHECKING:
    from family_steps.case import Case


def transformers_model(case: Case) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = case.spec.model
    return GPT2LMHeadModel(
        GPT2Config(
            n_embd=model.hidden_size,
            n_layer=model.num_layers,
            n_head=model.num_heads,
            n_inner=model.intermediate_size,
            vocab_size=model.vocab_size,
            n_positions=model.max_positions,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )


def kerashub_model(case: Case) -> Any:
    import keras
    import keras_hub

    model = case.spec.model
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=model.vocab_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.hidden_size,
        intermediate_dim=model.intermediate_size,
        dropout=0.0,
        max_sequence_length=model.max_positions,
    )
    logits = backbone.token_embedding(backbone.output, reverse=True)
    return keras.Model(backbone.input, logits)


FAMILY = Family(
    "gpt2",
    "gpt2_small",
    draw,
    rows=4,
    length=256,
    settings=("model.dropout=0.0", "model.attention_dropout=0.0"),
    tiny=(
        "model.num_layers=2",
        "model.hidden_size=128",
        "model.num_heads=2",
        "model.intermediate_size=512",
    ),
    transformers=Transformers(transformers_model, transformers_arguments),
    kerashub=KerasHub(kerashub_model, kerashub_features, kerashub_labels),
)
