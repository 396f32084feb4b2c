"""What the configurations of the GPT families share."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import Config, Fields, Key, Keys, Words
from zoo_spec.foreign.hub import LABELS, NOTHING, keys

GPT_ACTIVATIONS = Words(
    (
        ("gelu_new", "gelu_tanh"),
        ("gelu_pytorch_tanh", "gelu_tanh"),
        ("gelu_fast", "gelu_tanh"),
        ("gelu", "gelu_erf"),
        ("gelu_python", "gelu_erf"),
        ("relu", "relu"),
        ("silu", "silu"),
        ("swish", "silu"),
        ("tanh", "tanh"),
    )
)
"""As for all families, but that GELU by tanh is written as GPT-2's configuration calls it."""

SAYS_NOTHING = (
    NOTHING
    | frozenset(LABELS)
    | keys(
        """
        classifier_dropout embd_pdrop n_ctx problem_type summary_activation summary_first_dropout
        summary_proj_to_labels summary_type summary_use_proj
        """
    )
)


def _inner(config: Config) -> Fields:
    width, inner = config["n_embd"], config["n_inner"]
    return {"intermediate_size": 4 * width if inner is None and isinstance(width, int) else inner}


def sizes(hidden: int, layers: int, heads: int, positions: int) -> tuple[Key | Keys, ...]:
    """What GPT-2 and GPT-J call their sizes; a feed-forward that is left out is four times as wide."""
    inner: dict[str, JsonValue] = {"n_inner": None}
    return (
        Key("n_embd", "hidden_size", hidden),
        Key("n_layer", "num_layers", layers),
        Key("n_head", "num_heads", heads),
        Keys(inner, _inner, lambda model: {"n_inner": model["intermediate_size"]}),
        Key("n_positions", "max_positions", positions),
    )


def rates(rate: float) -> tuple[Keys | Key, ...]:
    """Dropout there; embeddings and residuals have one rate here, that of the residuals."""
    return (
        Keys(
            {"resid_pdrop": rate},
            lambda config: {"dropout": config["resid_pdrop"]},
            lambda model: {"resid_pdrop": model["dropout"], "embd_pdrop": model["dropout"]},
        ),
        Key("attn_pdrop", "attention_dropout", rate),
    )
