"""T5's configuration as ``transformers`` writes it."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys, TaskClass, Words
from zoo_spec.foreign.hub import EVERYWHERE, LABELS, NOTHING, plain
from zoo_spec.models.decoder_config import GPT_ACTIVATIONS

_INNER = Words((("gelu", "gelu_erf"), *(pair for pair in GPT_ACTIVATIONS.pairs if pair[0] != "gelu")))
_DISTANCES: dict[str, JsonValue] = {
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
}


def _feed_forward(config: Config) -> Fields:
    said = str(config["feed_forward_proj"])
    gate, _, inner = said.rpartition("-")
    if gate not in ("", "gated"):
        raise ValueError(f"feed_forward_proj is {said!r}, and it is an activation, or gated- and one")
    try:
        # "gated-gelu", and it alone, means the tanh form.
        activation = "gelu_tanh" if said == "gated-gelu" else _INNER.read(inner)
    except ValueError as error:
        raise ValueError(f"feed_forward_proj is {said!r}, and {inner} {error}") from None
    return {
        "feed_forward": {"kind": "gated_feed_forward" if gate else "feed_forward"},
        "activation": activation,
    }


def _projected(model: Fields) -> Config:
    block, activation = model["feed_forward"], model["activation"]
    kind = block["kind"] if isinstance(block, dict) else None
    if kind not in ("feed_forward", "gated_feed_forward"):
        raise ValueError(
            f"model.feed_forward is {kind}, and T5Config has feed_forward and gated_feed_forward"
        )
    if kind == "feed_forward":
        return {"feed_forward_proj": _INNER.write(activation)}
    if activation == "gelu_erf":
        raise ValueError("model.activation is gelu_erf, and T5Config's gated-gelu means gelu_tanh")
    return {
        "feed_forward_proj": "gated-gelu"
        if activation == "gelu_tanh"
        else f"gated-{_INNER.write(activation)}"
    }


def _positions(config: Config) -> Fields:
    buckets, distance = (config[key] for key in _DISTANCES)
    block: dict[str, JsonValue] = {
        "kind": "relative_positions",
        "num_buckets": buckets,
        "max_distance": distance,
    }
    return {"position": block, "decoder_position": {**block, "mask": "causal"}}


def _buckets(model: Fields) -> Config:
    position, decoder = model["position"], model["decoder_position"]
    assert isinstance(position, dict)
    assert isinstance(decoder, dict)
    names = ("num_buckets", "max_distance")
    if any(position[name] != decoder[name] for name in names):
        raise ValueError("model.position and model.decoder_position differ, and T5Config has one for both")
    return {key: position[name] for key, name in zip(_DISTANCES, names, strict=True)}


def _depth(config: Config) -> Fields:
    depth = config["num_decoder_layers"]
    return {"num_decoder_layers": config["num_layers"] if depth is None else depth}


def _output(config: Config) -> Fields:
    """A matrix of its own goes with states that are not scaled, as in version 1.1; 5.x says that by itself."""
    tied, scaled = config["tie_word_embeddings"] is not False, config["scale_decoder_outputs"]
    return {"tied_output": tied, "scaled_output": tied if scaled is None else scaled}


TRANSFORMERS = ConfigTable(
    model_type="t5",
    says=(
        Key("vocab_size", "vocab_size", 32128),
        Key("d_model", "hidden_size", 512),
        Key("d_kv", "head_size", 64),
        Key("d_ff", "intermediate_size", 2048),
        Key("num_layers", "num_layers", 6),
        Keys(
            {"num_decoder_layers": None},
            _depth,
            lambda model: {"num_decoder_layers": model["num_decoder_layers"]},
        ),
        Key("num_heads", "num_heads", 8),
        Keys(_DISTANCES, _positions, _buckets),
        Keys({"feed_forward_proj": "relu"}, _feed_forward, _projected),
        Key("layer_norm_epsilon", "layer_norm_epsilon", 1e-6),
        Keys(
            {"tie_word_embeddings": True, "scale_decoder_outputs": None},
            _output,
            lambda model: {
                "tie_word_embeddings": model["tied_output"],
                "scale_decoder_outputs": model["scaled_output"],
            },
        ),
    ),
    training=(
        Keys(
            {"dropout_rate": 0.1},
            lambda config: dict.fromkeys(
                ("dropout", "attention_dropout", "activation_dropout"), config["dropout_rate"]
            ),
            lambda model: {"dropout_rate": model["dropout"]},
        ),
    ),
    only=EVERYWHERE,
    nothing=NOTHING
    | frozenset(LABELS)
    | frozenset(
        (
            "classifier_dropout",
            "dense_act_fn",
            "initializer_factor",
            "is_decoder",
            "is_gated_act",
            "n_positions",
        )
    ),
    tasks=(
        plain("T5EncoderModel", "representation"),
        TaskClass(
            "T5ForConditionalGeneration",
            ("span_corruption", "sequence_to_sequence_lm", "summarization"),
            lambda _: {"kind": "span_corruption"},
            lambda _: {},
        ),
        # Both halves and no head: that of the first version is the table itself.
        plain("T5Model", "span_corruption"),
        plain("T5WithLMHeadModel", "span_corruption"),
    ),
    untied={"tied_output": False},
)

T5_CONFIGS = {"transformers": TRANSFORMERS}
