"""Four layers of GPT-J-6B's shape, 2 rows of 512 tokens; no other library has it in TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from family_steps.family import Family, Transformers
from family_steps.next_tokens import draw, transformers_arguments

if TYPE_CHECKING:
    from family_steps.case import Case

HEAD_SIZE = 256


def transformers_model(case: Case) -> Any:
    from transformers import GPTJConfig, GPTJForCausalLM

    model = case.spec.model
    return GPTJForCausalLM(
        GPTJConfig(
            n_embd=model.hidden_size,
            n_layer=model.num_layers,
            n_head=model.num_heads,
            n_inner=model.intermediate_size,
            vocab_size=model.vocab_size,
            n_positions=model.max_positions,
            rotary_dim=model.rotary_dims,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            tie_word_embeddings=False,
        )
    )


def narrowed(width: int) -> tuple[str, ...]:
    """Fewer heads of the published size."""
    return (
        f"model.hidden_size={width}",
        f"model.num_heads={width // HEAD_SIZE}",
        f"model.intermediate_size={4 * width}",
    )


FAMILY = Family(
    "gptj",
    "gptj_6b",
    draw,
    rows=2,
    length=512,
    settings=("model.num_layers=4",),
    tiny=("model.num_layers=2", *narrowed(512)),
    transformers=Transformers(transformers_model, transformers_arguments, attention=("eager",)),
    products=(4096, 16384),
    narrowed=narrowed,
)
