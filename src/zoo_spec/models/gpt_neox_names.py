"""GPT-NeoX's weights as ``transformers`` calls them."""

from __future__ import annotations

from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.transforms import Fused
from zoo_spec.models.decoder_names import TASK_HEADS, attention_buffers, output_names

_LAYER = "decoder.layers.{layer}"
_QUERY_KEY_VALUE = tuple(f"{_LAYER}.attention.{name}.{{leaf}}" for name in ("query", "key", "value"))
_MODULES = (
    ("attention.project", "attention.dense"),
    ("feed_forward.inner", "mlp.dense_h_to_4h"),
    ("feed_forward.outer", "mlp.dense_4h_to_h"),
    ("attention_norm", "input_layernorm"),
    ("feed_forward_norm", "post_attention_layernorm"),
)


def gpt_neox_names(heads: int, positions: int, *, tied_output: bool) -> NameTable:
    """The names of a model of so many heads, whose queries, keys and values stand head by head there."""
    return NameTable(
        prefix="gpt_neox.",
        backbone=Part(
            entries=(
                Entry("embeddings.token.weight", "embed_in.weight"),
                Entry(
                    _QUERY_KEY_VALUE, "layers.{layer}.attention.query_key_value.{leaf}", Fused(3, heads=heads)
                ),
                *(
                    Entry(f"{_LAYER}.{ours}.{{leaf}}", f"layers.{{layer}}.{theirs}.{{leaf}}")
                    for ours, theirs in _MODULES
                ),
                Entry("decoder.norm.{leaf}", "final_layer_norm.{leaf}"),
            ),
            repeats=attention_buffers("layers.{layer}.attention", positions, -1e9),
        ),
        heads=(output_names("embeddings.token.weight", tied=tied_output), *TASK_HEADS),
        # What files call it, the published checkpoint's among them.
        old_endings={"embed_out.weight": "lm_head.weight"},
        filed={"lm_head.weight": "embed_out.weight"},
    )
