"""The Transformer's weights and configuration as fairseq has them.

Source: facebookresearch/fairseq, fairseq/models/transformer/*, modules/{transformer_layer,
sinusoidal_positional_embedding}.py. The names are today's; ``zoo_common.interop.fairseq`` gives older ones so.
"""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import PLAIN, Code, Config, ConfigTable, Fields, Key, Keys, Only
from zoo_spec.foreign.fairseq import ACTIVATIONS, COMMON, EPSILON, NORM_FIRST, NOTHING
from zoo_spec.foreign.hub import keys, plain
from zoo_spec.foreign.names import Entry, NameTable, Part, Repeat
from zoo_spec.models.encoder_decoder_names import stack

_TABLE = "embeddings.weight"
FAIRSEQ_SINES = (2, "closed")
"""``first`` and ``spacing`` of its sinusoids: positions are counted behind the padding's id, 1."""

FAIRSEQ_NAMES = NameTable(
    backbone=Part(
        entries=(Entry(_TABLE, "encoder.embed_tokens.weight"), *stack("encoder")),
        # What fairseq changed in 2018, a norm at the end of pre-norm stacks, is none of these models'.
        unused=("encoder.version", "encoder.embed_positions._float_tensor"),
    ),
    heads=(
        Part(
            entries=stack("decoder"),
            repeats=(Repeat.copy("decoder.embed_tokens.weight", _TABLE),),
            unused=("decoder.version", "decoder.embed_positions._float_tensor"),
            is_body=True,
        ),
        Part(entries=(), repeats=(Repeat.copy("decoder.output_projection.weight", _TABLE),), node="lm_head"),
    ),
    old_endings={"decoder.embed_out": "decoder.output_projection.weight"},
)


def _both(key: str, ours: str, default: JsonValue, code: Code = PLAIN) -> Keys:
    """A key of each half, which say the same."""
    encoder, decoder = f"encoder_{key}", f"decoder_{key}"

    def read(config: Config) -> Fields:
        if config[encoder] != config[decoder]:
            raise ValueError(
                f"{decoder} is {config[decoder]!r}, and {encoder} {config[encoder]!r}: both halves have the same "
                "sizes here"
            )
        return Key(encoder, ours, default, code).read(config)

    def write(model: Fields) -> Config:
        return dict.fromkeys((encoder, decoder), model[ours])

    return Keys({encoder: default, decoder: default}, read, write)


def _positions(config: Config) -> Fields:
    lengths = [config["max_source_positions"], config["max_target_positions"]]
    numbers = [length for length in lengths if type(length) is int]
    if len(numbers) != 2:
        raise ValueError(
            f"max_source_positions and max_target_positions are {lengths}, and numbers are expected"
        )
    first, spacing = FAIRSEQ_SINES
    return {
        "position": {
            "kind": "sinusoidal_positions",
            "size": max(numbers),
            "layout": "halves",
            "first": first,
            "spacing": spacing,
        }
    }


def _lengths(model: Fields) -> Config:
    position = model["position"]
    wanted = ("sinusoidal_positions", "halves", *FAIRSEQ_SINES)
    fields = ("kind", "layout", "first", "spacing")
    if not isinstance(position, dict) or tuple(position.get(field) for field in fields) != wanted:
        raise ValueError(
            "model.position is not sinusoidal_positions as fairseq has them: halves, first 2, closed"
        )
    return {"max_source_positions": position["size"], "max_target_positions": position["size"]}


FAIRSEQ_CONFIG = ConfigTable(
    model_type="transformer",
    says=(
        # What the tensors' shapes tell, beside fairseq's own keys.
        Key("vocab_size", "vocab_size", 37000),
        _both("embed_dim", "hidden_size", 512),
        Key("encoder_layers", "num_layers", 6),
        Key("decoder_layers", "num_decoder_layers", 6),
        _both("attention_heads", "num_heads", 8),
        _both("ffn_embed_dim", "intermediate_size", 2048),
        Key("activation_fn", "activation", "relu", ACTIVATIONS),
        Keys({"max_source_positions": 1024, "max_target_positions": 1024}, _positions, _lengths),
        EPSILON,
    ),
    training=(Key("dropout", "dropout", 0.1), Key("attention_dropout", "attention_dropout", 0.0)),
    only=(
        *COMMON,
        NORM_FIRST,
        Only("decoder_normalize_before", (False, None), "norms stand behind each part of a layer here"),
        Only("encoder_learned_pos", (False, None), "positions are sines here"),
        Only("decoder_learned_pos", (False, None), "positions are sines here"),
        Only("share_all_embeddings", (True,), "one table serves both sequences and the output here"),
        Only("no_scale_embedding", (False, None), "embeddings are scaled by the root of their width here"),
        Only("layernorm_embedding", (False, None), "the embeddings have no norm here"),
        Only("no_cross_attention", (False, None), "the decoder reads the encoder here"),
        Only("cross_self_attention", (False, None), "the decoder reads the encoder apart from itself here"),
        Only("no_decoder_final_norm", (False, None), "norms stand behind each part of a layer here"),
        Only("char_inputs", (False, None), "words are read by their ids here"),
    ),
    nothing=NOTHING
    | keys(
        """
        activation_dropout base_layers base_shuffle base_sublayers decoder_embed_path decoder_input_dim
        decoder_output_dim encoder_embed_path export left_pad_source left_pad_target relu_dropout
        share_decoder_input_output_embed source_lang target_lang task tie_adaptive_proj tie_adaptive_weights
        adaptive_softmax_dropout adaptive_softmax_factor
        """
    ),
    tasks=(
        plain("TransformerEncoder", "representation"),
        plain("TransformerModel", "sequence_to_sequence_lm"),
    ),
)
