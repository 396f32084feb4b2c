"""The Transformer, as Marian has it: all sines before all cosines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from references.base import ACTIVATIONS, Family
from references.t5 import call_pair, pair_inputs

EPSILON, SMOOTHING = 3e-3, 0.1
TRANSFORMER = {
    "hidden_size": 36,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "intermediate_size": 83,
    "vocab_size": 101,
    "position": {"kind": "sinusoidal_positions", "size": 29, "layout": "halves"},
    "layer_norm_epsilon": EPSILON,
}


def marian_config(model: Any) -> transformers.MarianConfig:
    return transformers.MarianConfig(
        d_model=model.hidden_size,
        encoder_layers=model.num_layers,
        decoder_layers=model.num_decoder_layers,
        encoder_attention_heads=model.num_heads,
        decoder_attention_heads=model.num_heads,
        encoder_ffn_dim=model.intermediate_size,
        decoder_ffn_dim=model.intermediate_size,
        vocab_size=model.vocab_size,
        max_position_embeddings=model.position.size,
        activation_function=ACTIVATIONS[model.activation],
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        # The gradient of the padding token's row is zeroed otherwise.
        pad_token_id=None,
        attn_implementation="sdpa",
    )


def prepare_marian(model: Any) -> None:
    """Marian keeps its sinusoids in float32, and leaves the norms' epsilon to torch."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = EPSILON
        if module.__class__.__name__ == "MarianSinusoidalPositionalEmbedding":
            count, size = module.weight.shape
            angles = np.array(
                [[place / np.power(10000, 2 * i / size) for i in range(size // 2)] for place in range(count)]
            )
            module.weight = nn.Parameter(
                torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], 1)), requires_grad=False
            )


def call_marian(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    results = call_pair(model, given)
    # Marian's own loss smooths no labels.
    each = F.cross_entropy(
        results["logits"].flatten(0, 1),
        given["labels"].flatten(),
        reduction="none",
        label_smoothing=SMOOTHING,
    )
    weights = given["label_weights"].flatten()
    return {**results, "loss": (each * weights).sum() / weights.sum()}


def marian(**sizes: object) -> Family:
    return Family(
        "transformer",
        "sequence_to_sequence_lm",
        "MarianMTModel",
        marian_config,
        {**TRANSFORMER, **sizes},
        call_marian,
        task_fields={"label_smoothing": SMOOTHING},
        inputs=pair_inputs,
        variants=("full", "padded", "padded-source", "padded-target"),
        prepare=prepare_marian,
        rows=("hidden_states", "logits"),
        witness=-1,
        # Torch's own there, whatever the configuration; and the bias is no parameter.
        unsaid=("layer_norm_epsilon", "output_bias"),
    )


FAMILIES = {
    "transformer": marian(),
    "transformer-one-layer": marian(
        num_layers=1, num_decoder_layers=1, num_heads=1, activation="silu", vocab_size=67
    ),
    "transformer-long-encoder": marian(
        hidden_size=22, num_layers=3, num_decoder_layers=1, num_heads=2, intermediate_size=19
    ),
}
