"""Four layers of GPT-NeoX-20B's shape, 2 rows of 512 tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from family_steps.family import Family, KerasHub, Transformers
from family_steps.next_tokens import draw, kerashub_features, kerashub_labels, transformers_arguments

if TYPE_CHECKING:
    from family_steps.case import Case

HEAD_SIZE = 96


def transformers_model(case: Case) -> Any:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    model = case.spec.model
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(
            hidden_size=model.hidden_size,
            num_hidden_layers=model.num_layers,
            num_attention_heads=model.num_heads,
            intermediate_size=model.intermediate_size,
            vocab_size=model.vocab_size,
            max_position_embeddings=model.max_positions,
            rotary_pct=model.rotary_dims / HEAD_SIZE,
            hidden_act="gelu_new",
        )
    )


def kerashub_model(case: Case) -> Any:
    import keras
    import keras_hub

    model = case.spec.model
    backbone = keras_hub.models.GPTNeoXBackbone(
        vocabulary_size=model.vocab_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.hidden_size,
        intermediate_dim=model.intermediate_size,
        dropout=0.0,
        rotary_percentage=model.rotary_dims / HEAD_SIZE,
        max_sequence_length=model.max_positions,
    )
    # Its own head is tied; the published model's is not.
    logits = keras.layers.Dense(model.vocab_size, use_bias=False)(backbone.output)
    return keras.Model(backbone.input, logits)


def narrowed(width: int) -> tuple[str, ...]:
    """Fewer heads of the published size."""
    return (
        f"model.hidden_size={width}",
        f"model.num_heads={width // HEAD_SIZE}",
        f"model.intermediate_size={4 * width}",
    )


FAMILY = Family(
    "gpt_neox",
    "gpt_neox_20b",
    draw,
    rows=2,
    length=512,
    settings=("model.num_layers=4",),
    tiny=("model.num_layers=2", *narrowed(384)),
    transformers=Transformers(transformers_model, transformers_arguments),
    kerashub=KerasHub(kerashub_model, kerashub_features, kerashub_labels),
    products=(6144, 24576),
    narrowed=narrowed,
)
