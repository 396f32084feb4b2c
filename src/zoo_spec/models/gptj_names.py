"""GPT-J's weights as ``transformers`` calls them."""

from __future__ import annotations

from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.models.decoder_names import TASK_HEADS, attention_buffers

_MODULES = (
    ("attention.query", "attn.q_proj"),
    ("attention.key", "attn.k_proj"),
    ("attention.value", "attn.v_proj"),
    ("attention.project", "attn.out_proj"),
    ("feed_forward.inner", "mlp.fc_in"),
    ("feed_forward.outer", "mlp.fc_out"),
    ("norm", "ln_1"),
)


def gptj_names(positions: int) -> NameTable:
    """The names of a model of so many positions."""
    return NameTable(
        prefix="transformer.",
        backbone=Part(
            entries=(
                Entry("embeddings.token.weight", "wte.weight"),
                *(
                    Entry(f"decoder.layers.{{layer}}.{ours}.{{leaf}}", f"h.{{layer}}.{theirs}.{{leaf}}")
                    for ours, theirs in _MODULES
                ),
                Entry("decoder.norm.{leaf}", "ln_f.{leaf}"),
            ),
            repeats=attention_buffers("h.{layer}.attn", positions, -1e9),
        ),
        heads=(Part(entries=(Entry("lm_head.{leaf}", "lm_head.{leaf}"),)), *TASK_HEADS),
    )
