"""GPT-2 as openai/gpt-2 published it: a TensorFlow 1 checkpoint (src/model.py) and ``hparams.json``."""

from __future__ import annotations

from zoo_spec.foreign.always import Always
from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys
from zoo_spec.foreign.hub import plain
from zoo_spec.foreign.layouts import Chain
from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.slots import with_slots
from zoo_spec.foreign.transforms import SAME, TRANSPOSE, Fused, Transform, WithoutBatch

_LAYER, _SCOPE = "decoder.layers.{layer}", "model/h{layer}"
_QUERY_KEY_VALUE = tuple(f"{_LAYER}.attention.{name}" for name in ("query", "key", "value"))
_DENSE = Chain(WithoutBatch(), TRANSPOSE)
"""Dense layers are convolutions of width 1 there: ``[1, in, out]``."""


def _pair(ours: str, theirs: str, names: tuple[str, str], transform: Transform = SAME) -> tuple[Entry, Entry]:
    weight, bias = names
    return (
        Entry(f"{ours}.weight", f"{theirs}/{weight}", transform),
        Entry(f"{ours}.bias", f"{theirs}/{bias}"),
    )


_ENTRIES = (
    Entry("embeddings.token.weight", "model/wte"),
    Entry("embeddings.position.weight", "model/wpe"),
    Entry(
        tuple(f"{name}.weight" for name in _QUERY_KEY_VALUE),
        f"{_SCOPE}/attn/c_attn/w",
        Chain(WithoutBatch(), Fused(3, transposed=True)),
    ),
    Entry(tuple(f"{name}.bias" for name in _QUERY_KEY_VALUE), f"{_SCOPE}/attn/c_attn/b", Fused(3)),
    *_pair(f"{_LAYER}.attention.project", f"{_SCOPE}/attn/c_proj", ("w", "b"), _DENSE),
    *_pair(f"{_LAYER}.feed_forward.inner", f"{_SCOPE}/mlp/c_fc", ("w", "b"), _DENSE),
    *_pair(f"{_LAYER}.feed_forward.outer", f"{_SCOPE}/mlp/c_proj", ("w", "b"), _DENSE),
    *_pair(f"{_LAYER}.attention_norm", f"{_SCOPE}/ln_1", ("g", "b")),
    *_pair(f"{_LAYER}.feed_forward_norm", f"{_SCOPE}/ln_2", ("g", "b")),
    *_pair("decoder.norm", "model/ln_f", ("g", "b")),
)

OPENAI_NAMES = with_slots(
    # The logits are of the table, and the file has nothing of them.
    NameTable(backbone=Part(entries=_ENTRIES), heads=(Part(entries=(), node="lm_head"),))
)


def _width(config: Config) -> Fields:
    size = config["n_embd"]
    if not isinstance(size, int):
        raise ValueError(f"n_embd is {size!r}, and a number is expected")
    return {"hidden_size": size, "intermediate_size": 4 * size}


def _embedded(model: Fields) -> Config:
    size = model["hidden_size"]
    if not isinstance(size, int) or model["intermediate_size"] != 4 * size:
        raise ValueError(
            "model.intermediate_size is not four times hidden_size, and hparams.json has no key for it"
        )
    return {"n_embd": size}


OPENAI_CONFIG = ConfigTable(
    model_type="gpt2",
    says=(
        Key("n_vocab", "vocab_size", 50257),
        Key("n_ctx", "max_positions", 1024),
        Keys({"n_embd": 768}, _width, _embedded),
        Key("n_head", "num_heads", 12),
        Key("n_layer", "num_layers", 12),
        Always("openai/gpt-2", {"activation": "gelu_tanh", "layer_norm_epsilon": 1e-5, "tied_output": True}),
    ),
    tasks=(plain("src/model.py", "causal_lm"), plain("", "representation")),
)
