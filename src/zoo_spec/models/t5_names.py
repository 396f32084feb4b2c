"""T5's weights as ``transformers`` calls them."""

from __future__ import annotations

from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.foreign.names import Entry, NameTable, Part, Repeat

_PROJECTIONS = {"query": "q", "key": "k", "value": "v", "project": "o"}
_PLAIN = {"inner": "wi", "outer": "wo"}
_GATED = {"gate": "wi_0", "inner": "wi_1", "outer": "wo"}
_BIAS = "block.0.layer.0.SelfAttention.relative_attention_bias"
_CROSS_BIAS = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
"""In the first version's files; neither the paper's cross-attention nor that of ``transformers`` reads it."""


def _stack(name: str, halves: dict[str, str], inner: dict[str, str]) -> tuple[Entry, ...]:
    """A stack's weights; ``halves`` are a layer's attentions, each with its name there."""
    layer, block = f"{name}.layers.{{layer}}", f"{name}.block.{{layer}}.layer"
    last = len(halves)
    pairs = [
        (f"{layer}.{half}.{ours}", f"{block}.{index}.{theirs}.{projection}")
        for index, (half, theirs) in enumerate(halves.items())
        for ours, projection in _PROJECTIONS.items()
    ]
    pairs += [
        (f"{layer}.{half}_norm", f"{block}.{index}.layer_norm")
        for index, half in enumerate([*halves, "feed_forward"])
    ]
    pairs += [
        (f"{layer}.feed_forward.{ours}", f"{block}.{last}.DenseReluDense.{theirs}")
        for ours, theirs in inner.items()
    ]
    pairs += [(f"{name}.position", f"{name}.{_BIAS}"), (f"{name}.norm", f"{name}.final_layer_norm")]
    return tuple(Entry(f"{ours}.weight", f"{theirs}.weight") for ours, theirs in pairs)


def t5_names(feed_forward: FeedForwardBlock, *, tied_output: bool) -> NameTable:
    """The names of a model with this feed-forward block, whose kind they depend on."""
    inner = _GATED if "gate" in feed_forward.inner else _PLAIN
    table = "embeddings.weight"
    encoder = _stack("encoder", {"attention": "SelfAttention"}, inner)
    decoder = _stack("decoder", {"attention": "SelfAttention", "cross_attention": "EncDecAttention"}, inner)
    if tied_output:
        head = Part(entries=(), repeats=(Repeat("lm_head.weight", table),), node="lm_head")
    else:
        head = Part(entries=(Entry("lm_head.weight", "lm_head.weight"),))
    return NameTable(
        backbone=Part(
            entries=(Entry(table, "shared.weight"), *encoder),
            repeats=(Repeat("encoder.embed_tokens.weight", table),),
        ),
        heads=(
            Part(
                entries=decoder,
                is_body=True,
                repeats=(Repeat("decoder.embed_tokens.weight", table),),
                unused=(_CROSS_BIAS,),
            ),
            head,
        ),
    )
