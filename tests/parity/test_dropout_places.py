"""Where dropout stands, and at which rate: both backends in training against ``transformers``, in float64.

Every dropout of the three draws the same mask for the same shape and rate, one that follows from these two, so that a
place that is missing, one too many, or another rate changes the results.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf
import zoo_torch
from zoo_common.interop import to_transformers
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.dropout import Dropout as TfDropout
from zoo_torch.blocks.dropout import Dropout as TorchDropout

sys.path.insert(0, str(Path(__file__).parent))

from test_transformers import LIMIT, draw_weights, gaps, worst

from references import FAMILIES

FLAT = {"dropout": 0.1, "attention_dropout": 0.3}
BERT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.3}
GPT = {"resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.3}
HUBERT = {
    "hidden_dropout": 0.1,
    "attention_dropout": 0.3,
    "activation_dropout": 0.2,
    "feat_proj_dropout": 0.4,
    "final_dropout": 0.1,
    "layerdrop": 0.0,
}
OURS_HUBERT = {**FLAT, "activation_dropout": 0.2, "feature_dropout": 0.4}
T5 = {"dropout": 0.2, "attention_dropout": 0.2, "activation_dropout": 0.2}
MARIAN = {"dropout": 0.1, "attention_dropout": 0.3}

PLACES = {
    "bert-classification": (FLAT, BERT),
    "roberta": (FLAT, BERT),
    "ernie": (FLAT, BERT),
    "gpt2": (FLAT, GPT),
    "gptj": (FLAT, GPT),
    "gpt_neox": (FLAT, {"hidden_dropout": 0.1, "attention_dropout": 0.3}),
    "t5": (T5, {"dropout_rate": 0.2}),
    "t5-v1.1": (T5, {"dropout_rate": 0.2}),
    "transformer": (FLAT, MARIAN),
    "vit-classifier": (FLAT, BERT),
    "hubert-ctc": (OURS_HUBERT, HUBERT),
    "hubert-large-ctc": (OURS_HUBERT, HUBERT),
}


def mask(shape: tuple[int, ...], rate: float, use: int = 0) -> np.ndarray:
    """True where a value stays; about ``rate`` of the places are dropped, scattered by a multiplicative hash."""
    places = np.arange(int(np.prod(shape)), dtype=np.uint64)
    scattered = places * np.uint64(2654435761) % np.uint64(2**32)
    return (scattered >= rate * 2**32).reshape(shape)


def dropped(x: torch.Tensor, rate: float) -> torch.Tensor:
    return x * torch.from_numpy(mask(tuple(x.shape), rate)) / (1 - rate)


def attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_):
    """What ``scaled_dot_product_attention`` computes, with the weights dropped by the mask above."""
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        hidden = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -torch.inf) if hidden else scores + attn_mask
    weights = scores.softmax(-1)
    return (dropped(weights, dropout_p) if dropout_p else weights) @ v


def theirs(family: str, changes: dict[str, float], inputs: dict[str, np.ndarray], monkeypatch) -> dict:
    row = FAMILIES[family]

    def config(model):
        made = row.config(model)
        for name, value in changes.items():
            assert hasattr(made, name), name
            setattr(made, name, value)
        return made

    model = replace(row, config=config).build_reference().train()
    tensors = to_transformers(row.spec(), draw_weights(row.spec()))
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    given = {name: torch.from_numpy(value) for name, value in inputs.items()}
    given = {name: value if value.is_floating_point() else value.long() for name, value in given.items()}
    with monkeypatch.context() as patch, torch.no_grad():
        functional = torch.nn.functional
        patch.setattr(
            functional,
            "dropout",
            lambda x, p=0.5, training=True, inplace=False: dropped(x, p) if training and p else x,
        )
        patch.setattr(functional, "scaled_dot_product_attention", attention)
        return {name: value.numpy() for name, value in row.call(model, given).items()}


def ours(framework: str, family: str, changes: dict[str, float], inputs: dict[str, np.ndarray]) -> dict:
    spec = FAMILIES[family].spec(**changes)
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    model = room.compile(spec, seed=0, dtype="float64")
    room.set_weights(model, draw_weights(spec))
    if framework == "torch":
        for module in model.modules():
            if isinstance(module, TorchDropout):
                module.set_draw(lambda shape, rate, use: torch.from_numpy(mask(shape, rate)))
        with torch.no_grad():
            outputs = model.train()(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    else:
        for _, layer in named_layers(model):
            if isinstance(layer, TfDropout):
                layer.set_draw(lambda shape, rate, use: tf.constant(mask(tuple(shape.numpy()), rate)))
        outputs = model({name: tf.constant(value) for name, value in inputs.items()}, training=True)
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize("family", PLACES)
def test_dropout_stands_where_transformers_has_it(family, framework, monkeypatch):
    row = FAMILIES[family]
    here, there = PLACES[family]
    inputs = row.draw_inputs(row.variants[0])
    wanted = theirs(family, there, inputs, monkeypatch)
    found = gaps(ours(framework, family, here, inputs), wanted, inputs, row.rows)
    assert max(found.values()) < LIMIT, worst(found)
    without = gaps(ours(framework, family, {}, inputs), wanted, inputs, row.rows)
    assert min(without.values()) > 1e-4, "nothing was dropped"
