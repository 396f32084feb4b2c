"""GPT-2's weights as ``transformers`` calls them."""

from __future__ import annotations

from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.transforms import TRANSPOSE, Fused
from zoo_spec.models.decoder_names import TASK_HEADS, attention_buffers, output_names

_LAYER = "decoder.layers.{layer}"
_QUERY_KEY_VALUE = tuple(f"{_LAYER}.attention.{name}.{{leaf}}" for name in ("query", "key", "value"))


def gpt2_names(positions: int, *, tied_output: bool) -> NameTable:
    """The names of a model of so many positions; its dense layers store ``[in, out]`` there."""

    def dense(ours: str, theirs: str) -> Entry:
        return Entry(f"{_LAYER}.{ours}.{{leaf}}", f"h.{{layer}}.{theirs}.{{leaf}}", TRANSPOSE)

    def norm(ours: str, theirs: str) -> Entry:
        return Entry(f"{_LAYER}.{ours}.{{leaf}}", f"h.{{layer}}.{theirs}.{{leaf}}")

    return NameTable(
        prefix="transformer.",
        backbone=Part(
            entries=(
                Entry("embeddings.token.weight", "wte.weight"),
                Entry("embeddings.position.weight", "wpe.weight"),
                Entry(_QUERY_KEY_VALUE, "h.{layer}.attn.c_attn.{leaf}", Fused(3, transposed=True)),
                dense("attention.project", "attn.c_proj"),
                dense("feed_forward.inner", "mlp.c_fc"),
                dense("feed_forward.outer", "mlp.c_proj"),
                norm("attention_norm", "ln_1"),
                norm("feed_forward_norm", "ln_2"),
                Entry("decoder.norm.{leaf}", "ln_f.{leaf}"),
            ),
            repeats=attention_buffers("h.{layer}.attn", positions, -1e4),
        ),
        heads=(
            output_names("embeddings.token.weight", tied=tied_output),
            *TASK_HEADS,
        ),
    )
