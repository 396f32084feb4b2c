"""The Transformer's weights as ``transformers``' Marian calls them."""

from __future__ import annotations

import numpy as np

from zoo_spec.arrays import Array
from zoo_spec.blocks.sinusoidal import sinusoids
from zoo_spec.foreign.names import Entry, NameTable, Part, Repeat
from zoo_spec.foreign.transforms import WithoutBatch

_TABLE = "embeddings.weight"
_ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "project": "out_proj"}
_FEED_FORWARD = (
    ("feed_forward.inner", "fc1"),
    ("feed_forward.outer", "fc2"),
    ("feed_forward_norm", "final_layer_norm"),
)


HALVES = {
    "encoder": {"attention": "self_attn"},
    "decoder": {"attention": "self_attn", "cross_attention": "encoder_attn"},
}
"""The attentions of a layer of each stack, and what they are called there."""


def stack(name: str) -> tuple[Entry, ...]:
    """The weights of the stack of this name."""
    halves = HALVES[name]
    pairs = [
        (f"{half}.{ours}", f"{theirs}.{projection}")
        for half, theirs in halves.items()
        for ours, projection in _ATTENTION.items()
    ]
    pairs += [(f"{half}_norm", f"{theirs}_layer_norm") for half, theirs in halves.items()]
    return tuple(
        Entry(f"{name}.layers.{{layer}}.{ours}.{{leaf}}", f"{name}.layers.{{layer}}.{theirs}.{{leaf}}")
        for ours, theirs in (*pairs, *_FEED_FORWARD)
    )


def _output(*, output_bias: bool) -> Part:
    """Marian adds a bias to the logits, which is no parameter there; the paper has none."""
    bias = Entry("lm_head.bias", "final_logits_bias", WithoutBatch(), optional=True)
    none = Repeat("final_logits_bias", _TABLE, _no_bias)
    return Part(
        entries=(bias,) if output_bias else (),
        repeats=(Repeat("lm_head.weight", _TABLE), *(() if output_bias else (none,))),
        node="lm_head",
    )


def _no_bias(table: Array) -> Array:
    return np.zeros((1, len(table)), table.dtype)


def marian_names(size: int, width: int, *, output_bias: bool) -> NameTable:
    """The names of a model with so many positions of this width, whose sinusoids are weights there."""

    def places(table: Array) -> Array:
        return sinusoids(size, width, "halves").astype(table.dtype)

    encoder, decoder = stack("encoder"), stack("decoder")
    return NameTable(
        prefix="model.",
        backbone=Part(
            entries=(Entry(_TABLE, "shared.weight"), *encoder),
            repeats=(
                Repeat("encoder.embed_tokens.weight", _TABLE),
                Repeat("encoder.embed_positions.weight", _TABLE, places),
            ),
        ),
        heads=(
            Part(
                entries=decoder,
                is_body=True,
                repeats=(
                    Repeat("decoder.embed_tokens.weight", _TABLE),
                    Repeat("decoder.embed_positions.weight", _TABLE, places),
                ),
            ),
            _output(output_bias=output_bias),
        ),
    )
