"""GPT-2, GPT-NeoX and T5 as KerasHub's presets have them."""

from __future__ import annotations

from collections.abc import Iterator

from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.foreign.always import Always
from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys, Words
from zoo_spec.foreign.hub import plain
from zoo_spec.foreign.keras_hub import LAYERS, OPTIMIZER, counted, dense, pair, transformer_layer
from zoo_spec.foreign.layouts import Chain, IntoHeads
from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.transforms import TRANSPOSE, Fused
from zoo_spec.models.keras_hub_encoders import RATES, SAYS_NOTHING, SIZES

_TIED = Part(entries=(), node="lm_head")
"""A head whose matrix is the table."""


def gpt2_names(layers: int, heads: int) -> NameTable:
    """The names of a GPT-2 of so many layers and heads."""
    body = [
        Entry("embeddings.token.weight", f"{LAYERS}/reversible_embedding/vars/0"),
        Entry("embeddings.position.weight", f"{LAYERS}/position_embedding/vars/0"),
        *pair("decoder.norm", f"{LAYERS}/layer_normalization"),
    ]
    for layer in range(layers):
        theirs = f"{LAYERS}/{counted('transformer_decoder', layer)}"
        body += transformer_layer(f"decoder.layers.{layer}", theirs, heads)
    return NameTable(backbone=Part(entries=tuple(body), unused=OPTIMIZER), heads=(_TIED,))


def gpt_neox_names(layers: int, heads: int) -> NameTable:
    """The names of a GPT-NeoX of so many layers and heads."""
    body = [
        Entry("embeddings.token.weight", f"{LAYERS}/reversible_embedding/vars/0"),
        *pair("decoder.norm", f"{LAYERS}/layer_normalization"),
    ]
    for layer in range(layers):
        ours, theirs = f"decoder.layers.{layer}", f"{LAYERS}/{counted('gpt_neo_x_decoder', layer)}"
        body += _fused_attention(f"{ours}.attention", f"{theirs}/_self_attention_layer", heads)
        body += pair(f"{ours}.attention_norm", f"{theirs}/_self_attention_layer_norm")
        body += dense(f"{ours}.feed_forward.inner", f"{theirs}/_feedforward_intermediate_dense")
        body += dense(f"{ours}.feed_forward.outer", f"{theirs}/_feedforward_output_dense")
        body += pair(f"{ours}.feed_forward_norm", f"{theirs}/_feedforward_layer_norm")
    return NameTable(backbone=Part(entries=tuple(body), unused=OPTIMIZER), heads=(_TIED,))


def _fused_attention(ours: str, theirs: str, heads: int) -> Iterator[Entry]:
    """``[in, heads, 3 * size]``: of each head its queries, then its keys, then its values."""
    fused = Chain(IntoHeads(heads), Fused(3, heads=heads))
    for leaf, index in (("weight", 0), ("bias", 1)):
        names = tuple(f"{ours}.{name}.{leaf}" for name in ("query", "key", "value"))
        yield Entry(names, f"{theirs}/_qkv_dense/vars/{index}", fused)
    yield from dense(f"{ours}.project", f"{theirs}/_output_dense")


def t5_names(feed_forward: FeedForwardBlock, layers: int, *, tied_output: bool) -> NameTable:
    """The names of a T5 of so many layers in each stack, the encoder's first."""
    gated = {"gate": "input_projector", "inner": "gate_projector", "outer": "output_projector"}
    plainly = {"inner": "input_projector", "outer": "output_projector"}
    inner = gated if "gate" in feed_forward.inner else plainly
    table = f"{LAYERS}/reversible_embedding/vars"
    stacks = [tuple(_stack(name, index, layers, inner)) for index, name in enumerate(("encoder", "decoder"))]
    own = () if tied_output else (Entry("lm_head.weight", f"{table}/1", TRANSPOSE),)
    return NameTable(
        backbone=Part(entries=(Entry("embeddings.weight", f"{table}/0"), *stacks[0]), unused=OPTIMIZER),
        heads=(Part(entries=stacks[1], is_body=True), Part(entries=own, node="lm_head")),
    )


def _stack(name: str, index: int, layers: int, inner: dict[str, str]) -> Iterator[Entry]:
    halves = ["attention", "cross_attention"][: index + 1]
    scopes = {"attention": "self_attention", "cross_attention": "cross_attention"}
    letters = {"query": "query", "key": "key", "value": "value", "project": "output"}
    for layer in range(layers):
        ours = f"{name}.layers.{layer}"
        theirs = f"{LAYERS}/{counted('t5_transformer_layer', index * layers + layer)}"
        for half in halves:
            for projection, letter in letters.items():
                path = f"{theirs}/{scopes[half]}/{letter}_projector/vars/0"
                yield Entry(f"{ours}.{half}.{projection}.weight", path, TRANSPOSE)
            yield Entry(f"{ours}.{half}_norm.weight", f"{theirs}/{scopes[half]}_layer_norm/vars/0")
        for part, path in inner.items():
            yield Entry(f"{ours}.feed_forward.{part}.weight", f"{theirs}/{path}/vars/0", TRANSPOSE)
        yield Entry(f"{ours}.feed_forward_norm.weight", f"{theirs}/layer_norm/vars/0")
    first = f"{LAYERS}/{counted('t5_transformer_layer', index * layers)}"
    yield Entry(f"{name}.position.weight", f"{first}/self_attention/vars/0")
    yield Entry(f"{name}.norm.weight", f"{LAYERS}/{counted('t5_layer_norm', index)}/vars/0")


GPT2_CONFIG = ConfigTable(
    model_type="GPT2Backbone",
    says=(
        *SIZES,
        Key("max_sequence_length", "max_positions", 1024),
        Always(
            "KerasHub's GPT-2", {"activation": "gelu_tanh", "layer_norm_epsilon": 1e-5, "tied_output": True}
        ),
    ),
    training=RATES,
    nothing=SAYS_NOTHING,
    tasks=(
        plain("GPT2Backbone", "causal_lm"),
        plain("GPT2CausalLM", "causal_lm"),
        plain("", "representation"),
    ),
)


def _rotary(config: Config) -> Fields:
    part, width, heads = config["rotary_percentage"], config["hidden_dim"], config["num_heads"]
    if not (isinstance(part, int | float) and isinstance(width, int) and isinstance(heads, int) and heads):
        raise ValueError(
            f"rotary_percentage is {part!r}, of heads of {width!r} over {heads!r}; numbers are expected"
        )
    base = config["rotary_max_wavelength"]
    return {"rotary_dims": int(width // heads * part), "position": {"kind": "rotary", "base": base}}


def _percentage(model: Fields) -> Config:
    position, width, heads = model["position"], model["hidden_size"], model["num_heads"]
    if not isinstance(position, dict) or not isinstance(width, int) or not isinstance(heads, int):
        raise ValueError(f"model.position is {position}, and rotary positions are known there")
    dims = position["dims"]
    part = 1.0 if dims is None else float(str(dims)) / (width // heads)
    return {"rotary_percentage": part, "rotary_max_wavelength": position["base"]}


GPT_NEOX_CONFIG = ConfigTable(
    model_type="GPTNeoXBackbone",
    says=(
        *SIZES,
        Key("max_sequence_length", "max_positions", 512),
        Key("layer_norm_epsilon", "layer_norm_epsilon", 1e-5),
        Keys({"rotary_percentage": 0.25, "rotary_max_wavelength": 10000}, _rotary, _percentage),
        Always("KerasHub's GPT-NeoX", {"activation": "gelu_tanh", "tied_output": True}),
    ),
    training=(
        Keys(
            {"dropout": 0.0},
            lambda config: dict.fromkeys(("dropout", "attention_dropout"), config["dropout"]),
            lambda model: {"dropout": model["dropout"]},
        ),
    ),
    nothing=SAYS_NOTHING,
    tasks=(
        plain("GPTNeoXBackbone", "causal_lm"),
        plain("GPTNeoXCausalLM", "causal_lm"),
        plain("", "representation"),
    ),
)

# Keras' "gelu" is the error function's, whatever those who trained T5 computed.
_ACTIVATIONS = Words(
    (("relu", "relu"), ("gelu", "gelu_erf"), ("gelu_approximate", "gelu_tanh"), ("silu", "silu"))
)


def _sizes(config: Config) -> Fields:
    layers, heads, width, size = (
        config[key] for key in ("num_layers", "num_heads", "hidden_dim", "key_value_dim")
    )
    if size is None and isinstance(width, int) and isinstance(heads, int) and heads:
        size = width // heads
    return {
        "num_layers": layers,
        "num_decoder_layers": layers,
        "num_heads": heads,
        "hidden_size": width,
        "head_size": size,
    }


def _said(model: Fields) -> Config:
    if model["num_layers"] != model["num_decoder_layers"]:
        raise ValueError(
            "model.num_decoder_layers is not num_layers, and KerasHub's T5 has one number for both"
        )
    keys = {
        "num_layers": "num_layers",
        "num_heads": "num_heads",
        "hidden_dim": "hidden_size",
        "key_value_dim": "head_size",
    }
    return {theirs: model[ours] for theirs, ours in keys.items()}


def _gate(config: Config) -> Fields:
    return {
        "feed_forward": {"kind": "gated_feed_forward" if config["use_gated_activation"] else "feed_forward"}
    }


def _gated(model: Fields) -> Config:
    block = model["feed_forward"]
    kind = block["kind"] if isinstance(block, dict) else None
    if kind not in ("feed_forward", "gated_feed_forward"):
        raise ValueError(
            f"model.feed_forward is {kind}, and KerasHub's T5 has feed_forward and gated_feed_forward"
        )
    return {"use_gated_activation": kind == "gated_feed_forward"}


T5_CONFIG = ConfigTable(
    model_type="T5Backbone",
    says=(
        SIZES[0],
        Keys(
            {"num_layers": None, "num_heads": None, "hidden_dim": None, "key_value_dim": None}, _sizes, _said
        ),
        SIZES[4],
        Key("activation", "activation", "relu", _ACTIVATIONS),
        Keys({"use_gated_activation": True}, _gate, _gated),
        Key("layer_norm_epsilon", "layer_norm_epsilon", 1e-6),
        Keys(
            {"tie_embedding_weights": True},
            lambda config: dict.fromkeys(("tied_output", "scaled_output"), config["tie_embedding_weights"]),
            lambda model: {"tie_embedding_weights": model["tied_output"]},
        ),
    ),
    training=(
        Keys(
            {"dropout": 0.1},
            lambda config: dict.fromkeys(
                ("dropout", "attention_dropout", "activation_dropout"), config["dropout"]
            ),
            lambda model: {"dropout": model["dropout"]},
        ),
    ),
    nothing=SAYS_NOTHING,
    tasks=(plain("T5Backbone", "span_corruption"), plain("", "representation")),
    authors={
        "activation": ("gelu_tanh", "Mesh TensorFlow, which trained version 1.1, computes GELU by tanh")
    },
)
