"""GPT-2, GPT-3 where it is dense, GPT-J and GPT-NeoX with their language-model heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

from references.base import ACTIVATIONS, Arrays, Family, token_inputs
from zoo_spec.experiment import ExperimentSpec

# An epsilon large enough to show at 1e-10, and sizes that no published model has.
GPT2 = {
    "hidden_size": 48,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 83,
    "vocab_size": 101,
    "max_positions": 29,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "layer_norm_epsilon": 3e-3,
}


def gpt2_config(model: Any) -> transformers.GPT2Config:
    return transformers.GPT2Config(
        n_embd=model.hidden_size,
        n_layer=model.num_layers,
        n_head=model.num_heads,
        n_inner=model.intermediate_size,
        vocab_size=model.vocab_size,
        n_positions=model.max_positions,
        activation_function=ACTIVATIONS[model.activation],
        layer_norm_epsilon=model.layer_norm_epsilon,
        attn_implementation="sdpa",
    )


def next_token_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    """Padding comes first, where a causal model can see it; labels are the next tokens, weight 0 at the end."""
    inputs = token_inputs(spec, variant)
    if "example_ids" in inputs:
        inputs["example_ids"] = inputs["example_ids"][:, ::-1].copy()
    ids = inputs["input_ids"]
    real = inputs.get("example_ids", np.ones_like(ids)) > 0
    counted = np.pad(real[:, :-1] & real[:, 1:], ((0, 0), (0, 1)))
    return {**inputs, "labels": np.roll(ids, -1, axis=1), "label_weights": counted.astype(np.float64)}


def call_gpt(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arguments = {"input_ids": given["input_ids"], "attention_mask": given.get("example_ids")}
    if "labels" in given:
        # Each token as the label of itself: the reference shifts them, and the first of an example has none before.
        counted = F.pad(given["label_weights"][:, :-1], (1, 0)) > 0
        arguments["labels"] = given["input_ids"].masked_fill(~counted, -100)
    found = model(**arguments, output_hidden_states=True)
    results = {"hidden_states": found.hidden_states[-1]}
    return results | {name: found[name] for name in ("logits", "loss") if found.get(name) is not None}


def wide_loss(logits: Tensor, labels: Tensor, **_: Any) -> Tensor:
    """The reference's own loss, which rounds the logits to float32, without that."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def prepare_gpt(model: Any) -> None:
    model.loss_function = wide_loss


def gpt(
    kind: str,
    reference: str,
    config: Any,
    fields: Mapping[str, Any],
    prepare: Callable[[Any], None] = prepare_gpt,
    **more: Any,
) -> Family:
    return Family(
        kind,
        "causal_lm",
        reference,
        config,
        fields,
        call_gpt,
        inputs=next_token_inputs,
        prepare=prepare,
        witness=-1,
        variants=("full", "padded"),
        rows=("hidden_states", "logits"),
        **more,
    )


def gptj_config(model: Any) -> transformers.GPTJConfig:
    return transformers.GPTJConfig(
        n_embd=model.hidden_size,
        n_layer=model.num_layers,
        n_head=model.num_heads,
        n_inner=model.intermediate_size,
        vocab_size=model.vocab_size,
        n_positions=model.max_positions,
        rotary_dim=model.rotary_dims,
        activation_function=ACTIVATIONS[model.activation],
        layer_norm_epsilon=model.layer_norm_epsilon,
        # Of the three the one that is plain torch.
        attn_implementation="eager",
    )


def prepare_gptj(model: Any) -> None:
    prepare_gpt(model)
    for layer in model.transformer.h:
        # Its products of queries and keys are in float32.
        layer.attn._attn = partial(wide_attention, layer.attn)
        # Its table of sines and cosines is made in float32.
        size, dims = layer.attn.embed_positions.shape
        angles = wide_angles(size, dims, 10000.0)
        layer.attn.embed_positions = torch.cat([angles.sin(), angles.cos()], 1)


def wide_attention(
    attention: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    scores = query @ key.mT / attention.scale_attn
    weights = (scores if attention_mask is None else scores + attention_mask).softmax(-1)
    return attention.attn_dropout(weights) @ value, weights


def wide_angles(size: int, dims: int, base: float) -> Tensor:
    speeds = base ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)
    return torch.arange(size, dtype=torch.float64)[:, None] * speeds


def gpt_neox_config(model: Any) -> transformers.GPTNeoXConfig:
    head_size = model.hidden_size // model.num_heads
    return transformers.GPTNeoXConfig(
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        vocab_size=model.vocab_size,
        max_position_embeddings=model.max_positions,
        rotary_pct=model.rotary_dims / head_size,
        rotary_emb_base=model.position.base,
        hidden_act=ACTIVATIONS[model.activation],
        layer_norm_eps=model.layer_norm_epsilon,
        attn_implementation="sdpa",
    )


def prepare_gpt_neox(model: Any) -> None:
    prepare_gpt(model)
    rotary = model.gpt_neox.rotary_emb
    parameters = rotary.config.rope_parameters
    dims = 2 * len(rotary.inv_freq)

    def forward(x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        angles = wide_angles(rotary.max_seq_len_cached, dims, parameters["rope_theta"])[position_ids]
        return torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()

    # Its angles are made in float32.
    rotary.forward = forward


GPTJ = {**GPT2, "rotary_dims": 8}
GPT_NEOX = {**GPT2, "rotary_dims": 6}

FAMILIES = {
    "gpt2": gpt("gpt2", "GPT2LMHeadModel", gpt2_config, GPT2),
    "gpt2-one-layer": gpt(
        "gpt2",
        "GPT2LMHeadModel",
        gpt2_config,
        {**GPT2, "num_layers": 1, "activation": "relu", "num_heads": 1},
    ),
    "gpt3-dense": gpt("gpt3", "GPT2LMHeadModel", gpt2_config, {**GPT2, "layer_pattern": ("dense",)}),
    "gptj": gpt("gptj", "GPTJForCausalLM", gptj_config, GPTJ, prepare_gptj, still=()),
    "gptj-whole-head": gpt(
        "gptj", "GPTJForCausalLM", gptj_config, {**GPTJ, "rotary_dims": 12, "num_layers": 1}, prepare_gptj
    ),
    "gptj-two-heads": gpt(
        "gptj",
        "GPTJForCausalLM",
        gptj_config,
        {**GPTJ, "num_heads": 2, "rotary_dims": 14, "intermediate_size": 31, "activation": "relu"},
        prepare_gptj,
        still=(),
    ),
    # Rotated keys feel their bias.
    "gpt_neox": gpt("gpt_neox", "GPTNeoXForCausalLM", gpt_neox_config, GPT_NEOX, prepare_gpt_neox, still=()),
    "gpt_neox-one-layer": gpt(
        "gpt_neox",
        "GPTNeoXForCausalLM",
        gpt_neox_config,
        {**GPT_NEOX, "num_layers": 1, "num_heads": 2, "rotary_dims": 14, "intermediate_size": 31},
        prepare_gpt_neox,
        still=(),
    ),
    "gpt_neox-whole-head": gpt(
        "gpt_neox",
        "GPTNeoXForCausalLM",
        gpt_neox_config,
        {
            **GPT_NEOX,
            "rotary_dims": 12,
            "activation": "gelu_erf",
            "position": {"kind": "rotary", "base": 500.0},
        },
        prepare_gpt_neox,
        still=(),
    ),
}
