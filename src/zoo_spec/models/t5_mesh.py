"""T5 as Mesh TensorFlow trained and published it: TensorFlow 1 checkpoints, of which the weights say all sizes.

tensorflow/mesh: mesh_tensorflow/transformer/{transformer,transformer_layers}.py; google-research/t5x:
t5x/checkpoint_importer.py. The scopes are ``transformers``' names but for the layers' numbers, of three digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from zoo_spec.blocks.feed_forward import FeedForwardBlock
from zoo_spec.foreign.always import Always
from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys
from zoo_spec.foreign.hub import plain
from zoo_spec.foreign.names import Entry, NameTable, Part
from zoo_spec.foreign.slots import with_mesh_slots
from zoo_spec.foreign.transforms import TRANSPOSE, Shape

_PROJECTIONS = {"query": "q", "key": "k", "value": "v", "project": "o"}
_PLAIN = {"inner": "wi", "outer": "wo"}
_GATED = {"gate": "wi_0", "inner": "wi_1", "outer": "wo"}
_BIAS = "block_000/layer_000/SelfAttention/relative_attention_bias"
_CROSS_BIAS = "decoder/block_000/layer_001/EncDecAttention/relative_attention_bias"
"""In the first version's files; nothing reads it."""


def _norm(ours: str, theirs: str) -> Entry:
    return Entry(f"{ours}.weight", f"{theirs}/scale")


def _stack(name: str, layers: int, halves: dict[str, str], inner: dict[str, str]) -> Iterator[Entry]:
    """A stack's weights; ``halves`` are a layer's attentions, each with its scope there."""
    for layer in range(layers):
        ours, block = f"{name}.layers.{layer}", f"{name}/block_{layer:03d}"
        for index, (half, theirs) in enumerate(halves.items()):
            for projection, letter in _PROJECTIONS.items():
                scope = f"{block}/layer_{index:03d}/{theirs}/{letter}"
                yield Entry(f"{ours}.{half}.{projection}.weight", scope, TRANSPOSE)
        last = f"{block}/layer_{len(halves):03d}/DenseReluDense"
        for part, theirs in inner.items():
            yield Entry(f"{ours}.feed_forward.{part}.weight", f"{last}/{theirs}/kernel", TRANSPOSE)
        for index, half in enumerate([*halves, "feed_forward"]):
            yield _norm(f"{ours}.{half}_norm", f"{block}/layer_{index:03d}/layer_norm")
    yield Entry(f"{name}.position.weight", f"{name}/{_BIAS}", TRANSPOSE)
    yield _norm(f"{name}.norm", f"{name}/final_layer_norm")


def mesh_names(
    feed_forward: FeedForwardBlock, layers: int, decoder_layers: int, *, tied_output: bool
) -> NameTable:
    """The names of a model of so many layers with this feed-forward block."""
    inner = _GATED if "gate" in feed_forward.inner else _PLAIN
    halves = {"attention": "SelfAttention", "cross_attention": "EncDecAttention"}
    encoder = (
        Entry("embeddings.weight", "shared/embedding"),
        *_stack("encoder", layers, {"attention": "SelfAttention"}, inner),
    )
    decoder = tuple(_stack("decoder", decoder_layers, halves, inner))
    head = () if tied_output else (Entry("lm_head.weight", "decoder/logits/kernel", TRANSPOSE),)
    table = NameTable(
        backbone=Part(entries=encoder),
        heads=(
            Part(entries=decoder, unused=(_CROSS_BIAS,), is_body=True),
            Part(entries=head, node="lm_head"),
        ),
        old_parts={
            "encoder/rms_norm/": "encoder/final_layer_norm/",
            "decoder/rms_norm/": "decoder/final_layer_norm/",
            "/rms_norm/": "/layer_norm/",
        },
    )
    return with_mesh_slots(table)


def mesh_config(shapes: Mapping[str, Shape]) -> Config:
    """What the weights' names and shapes say of the model; raises ValueError, naming the first that is not there."""

    def size(name: str, axis: int) -> int:
        found = shapes.get(name, ())
        if len(found) != 2:
            raise ValueError(f"{name} is {'missing' if name not in shapes else f'of shape {list(found)}'}")
        return found[axis]

    attention, inner = (
        "encoder/block_000/layer_000/SelfAttention",
        "encoder/block_000/layer_001/DenseReluDense",
    )
    gated = f"{inner}/wi_0/kernel" in shapes
    heads = size(f"encoder/{_BIAS}", 0)
    width = size(f"{attention}/q", 1)
    if not heads or width % heads:
        raise ValueError(f"{attention}/q has {width} outputs, which is no multiple of {heads} heads")
    return {
        "vocab_size": size("shared/embedding", 0),
        "d_model": size("shared/embedding", 1),
        "num_layers": _count(shapes, "encoder"),
        "num_decoder_layers": _count(shapes, "decoder") or _count(shapes, "encoder"),
        "num_heads": heads,
        "key_value_size": width // heads,
        "num_buckets": size(f"encoder/{_BIAS}", 1),
        "d_ff": size(f"{inner}/{'wi_0' if gated else 'wi'}/kernel", 1),
        "gated": gated,
        "logits": "decoder/logits/kernel" in shapes,
    }


def _count(shapes: Mapping[str, Shape], stack: str) -> int:
    found = [re.match(rf"{stack}/block_(\d+)/", name) for name in shapes]
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _feed_forward(config: Config) -> Fields:
    if config["gated"]:
        return {"feed_forward": {"kind": "gated_feed_forward"}, "activation": "gelu_tanh"}
    return {"feed_forward": {"kind": "feed_forward"}, "activation": "relu"}


def _gated(model: Fields) -> Config:
    block, activation = model["feed_forward"], model["activation"]
    kind = block["kind"] if isinstance(block, dict) else None
    if (kind, activation) not in {("gated_feed_forward", "gelu_tanh"), ("feed_forward", "relu")}:
        raise ValueError(f"model.feed_forward is {kind} with {activation}, which T5 has in no version")
    return {"gated": kind == "gated_feed_forward"}


def _positions(config: Config) -> Fields:
    block = {"kind": "relative_positions", "num_buckets": config["num_buckets"], "max_distance": 128}
    return {"position": block, "decoder_position": {**block, "mask": "causal"}}


def _buckets(model: Fields) -> Config:
    position = model["position"]
    assert isinstance(position, dict)
    if position["max_distance"] != 128:
        raise ValueError(f"model.position.max_distance is {position['max_distance']}, and 128 there")
    return {"num_buckets": position["num_buckets"]}


MESH_CONFIG = ConfigTable(
    model_type="t5",
    says=(
        Key("vocab_size", "vocab_size", 32128),
        Key("d_model", "hidden_size", 768),
        Key("num_layers", "num_layers", 12),
        Key("num_decoder_layers", "num_decoder_layers", 12),
        Key("num_heads", "num_heads", 12),
        Key("key_value_size", "head_size", 64),
        Key("d_ff", "intermediate_size", 3072),
        Keys({"gated": False}, _feed_forward, _gated),
        Keys({"num_buckets": 32}, _positions, _buckets),
        Keys(
            {"logits": False},
            lambda config: {"tied_output": not config["logits"], "scaled_output": not config["logits"]},
            lambda model: {"logits": not model["tied_output"]},
        ),
        Always("Mesh TensorFlow", {"layer_norm_epsilon": 1e-6}),
    ),
    tasks=(plain("Bitransformer", "span_corruption"), plain("", "representation")),
)
