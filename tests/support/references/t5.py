"""T5 and T5 v1.1, and the encoder alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MethodType
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from references.base import BATCH, LENGTH, LENGTHS, Arrays, Family
from zoo_spec.experiment import ExperimentSpec

# Buckets and distances so few that these lengths reach the last; heads wider together than the hidden states.
T5 = {
    "hidden_size": 36,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "head_size": 11,
    "intermediate_size": 83,
    "vocab_size": 101,
    "max_positions": 29,
    "layer_norm_epsilon": 3e-3,
    "position": {"num_buckets": 10, "max_distance": 9},
    "decoder_position": {"num_buckets": 10, "max_distance": 9},
}
V1_1 = {
    **{name: value for name, value in T5.items() if name != "intermediate_size"},
    "feed_forward": {"kind": "gated_feed_forward", "size": 83, "activation": "gelu_tanh"},
    "tied_output": False,
    "scaled_output": False,
}
TARGET, TARGETS = 11, (7, 11, 4)  # of the second sequence, full and padded


def t5_config(model: Any) -> transformers.T5Config:
    return transformers.T5Config(
        d_model=model.hidden_size,
        d_kv=model.head_size,
        d_ff=model.feed_forward.size,
        num_layers=model.num_layers,
        num_decoder_layers=model.num_decoder_layers,
        num_heads=model.num_heads,
        vocab_size=model.vocab_size,
        relative_attention_num_buckets=model.position.num_buckets,
        relative_attention_max_distance=model.position.max_distance,
        layer_norm_epsilon=model.layer_norm_epsilon,
        feed_forward_proj="gated-gelu" if model.feed_forward.kind == "gated_feed_forward" else "relu",
        attn_implementation="sdpa",
    )


def prepare_t5(model: nn.Module) -> None:
    """T5's norm computes its mean square in float32 whatever the model's dtype."""
    for module in model.modules():
        if module.__class__.__name__ == "T5LayerNorm":
            module.forward = MethodType(_norm, module)


def prepare_unscaled(model: Any) -> None:
    """The configuration's constructor takes no word for it."""
    prepare_t5(model)
    model.config.scale_decoder_outputs = False


def prepare_v1_1(model: Any) -> None:
    """The configuration ties the output whatever it is told, and untied in it the model would tie no table at all."""
    prepare_unscaled(model)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = nn.Parameter(0.05 * torch.randn_like(model.lm_head.weight))


def _norm(norm: Any, x: Tensor) -> Tensor:
    return norm.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)


def pair_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    """Two sequences and labels; ``variant``: ``full``, or ``padded``, both, the first alone or the second alone."""
    rng = np.random.default_rng(11)
    vocabulary = spec.model.vocab_size
    lengths = LENGTHS if variant in ("padded", "padded-source") else (LENGTH,) * BATCH
    targets = TARGETS if variant in ("padded", "padded-target") else (TARGET,) * BATCH
    # Padding stands before the targets: what stands behind them is seen by none of them anyway.
    real = np.arange(TARGET) >= TARGET - np.array(targets)[:, None]
    inputs = {
        "input_ids": rng.integers(0, vocabulary, (BATCH, LENGTH)),
        "decoder_input_ids": rng.integers(0, vocabulary, (BATCH, TARGET)),
        "labels": rng.integers(0, vocabulary, (BATCH, TARGET)),
        "label_weights": real.astype(np.float64),
        "example_ids": (np.arange(LENGTH) < np.array(lengths)[:, None]).astype(int),
        "decoder_example_ids": real.astype(int),
    }
    left_out = {"example_ids"} if variant in ("full", "padded-target") else set()
    left_out |= {"decoder_example_ids"} if variant in ("full", "padded-source") else set()
    return {name: value for name, value in inputs.items() if name not in left_out}


def call_pair(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    labels = given["labels"].masked_fill(given["label_weights"] == 0, -100)
    found = model(
        input_ids=given["input_ids"],
        attention_mask=given.get("example_ids"),
        decoder_input_ids=given["decoder_input_ids"],
        decoder_attention_mask=given.get("decoder_example_ids"),
        labels=labels,
        output_hidden_states=True,
    )
    return {
        "hidden_states": found.decoder_hidden_states[-1],
        "logits": found.logits,
        "loss": found.loss,
    }


def call_encoder(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = model(input_ids=given["input_ids"], attention_mask=given.get("example_ids"))
    return {"hidden_states": found.last_hidden_state}


PAIR = {
    "inputs": pair_inputs,
    "variants": ("full", "padded", "padded-source", "padded-target"),
    "prepare": prepare_t5,
    "rows": ("hidden_states", "logits"),
    "still": (),
    "witness": -1,
    "asked": "sequence_to_sequence_lm",
}
_T5 = ("t5", "sequence_to_sequence_lm", "T5ForConditionalGeneration", t5_config)

FAMILIES = {
    "t5": Family(*_T5, T5, call_pair, **PAIR),
    "t5-v1.1": Family(*_T5, V1_1, call_pair, **{**PAIR, "prepare": prepare_v1_1}),
    "t5-tied-unscaled": Family(
        *_T5, {**T5, "scaled_output": False}, call_pair, **{**PAIR, "prepare": prepare_unscaled}
    ),
    "t5-encoder": Family(
        "t5",
        "representation",
        "T5EncoderModel",
        t5_config,
        T5,
        call_encoder,
        variants=("full", "padded"),
        prepare=prepare_t5,
    ),
}
