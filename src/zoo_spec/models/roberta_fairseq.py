"""RoBERTa's weights and configuration as fairseq has them.

Source: facebookresearch/fairseq, fairseq/models/roberta/model.py. The names are today's;
``zoo_common.interop.fairseq`` gives those of 2019 so.
"""

from __future__ import annotations

from zoo_spec.foreign.config import Config, ConfigTable, Fields, Key, Keys, Only
from zoo_spec.foreign.fairseq import ACTIVATIONS, COMMON, EPSILON, NORM_FIRST, NOTHING
from zoo_spec.foreign.hub import keys, labelled, plain
from zoo_spec.foreign.names import Entry, NameTable, Part, Repeat
from zoo_spec.models.hubert_fairseq import LAYER

_BODY = "encoder.sentence_encoder"
_HEAD = "encoder.lm_head"
_TIED = "the words' scores are of the embedding's own table here"

FAIRSEQ_NAMES = NameTable(
    backbone=Part(
        entries=(
            Entry("embeddings.token.weight", f"{_BODY}.embed_tokens.weight"),
            # The rows before the padding's and its own are there, and no position has them.
            Entry("embeddings.position.weight", f"{_BODY}.embed_positions.weight"),
            Entry("embeddings.norm.{leaf}", f"{_BODY}.layernorm_embedding.{{leaf}}"),
            *(
                Entry(
                    f"encoder.layers.{{layer}}.{ours}.{{leaf}}", f"{_BODY}.layers.{{layer}}.{theirs}.{{leaf}}"
                )
                for ours, theirs in LAYER
            ),
        ),
        unused=(f"{_BODY}.version", f"{_BODY}.embed_positions._float_tensor"),
    ),
    heads=(
        Part(
            entries=(
                Entry("masked_lm.dense.{leaf}", f"{_HEAD}.dense.{{leaf}}"),
                Entry("masked_lm.norm.{leaf}", f"{_HEAD}.layer_norm.{{leaf}}"),
                Entry("masked_lm.decoder.bias", f"{_HEAD}.bias"),
            ),
            repeats=(Repeat.copy(f"{_HEAD}.weight", "embeddings.token.weight"),),
        ),
        Part(
            entries=(
                Entry("pooler.dense.{leaf}", "classification_heads.one.dense.{leaf}"),
                Entry("classifier.dense.{leaf}", "classification_heads.one.out_proj.{leaf}"),
            )
        ),
    ),
    old_parts={
        "decoder.sentence_encoder.": f"{_BODY}.",
        "decoder.lm_head.": f"{_HEAD}.",
        ".emb_layer_norm.": ".layernorm_embedding.",
    },
)


def _positions(config: Config) -> Fields:
    """Positions are counted behind the padding's id, which is 1 in every dictionary."""
    size = config["max_positions"]
    return {"position": {"kind": "offset_positions", "offset": 2, "size": size}}


def _rows(model: Fields) -> Config:
    position = model["position"]
    if not isinstance(position, dict) or (position["kind"], position.get("offset")) != (
        "offset_positions",
        2,
    ):
        raise ValueError("model.position is not offset_positions with an offset of 2, as fairseq's are")
    return {"max_positions": position["size"]}


def _no_types(model: Fields) -> Config:
    if model["type_vocab_size"]:
        raise ValueError("model.type_vocab_size is 1, and fairseq has no table of token types; take 0")
    return {}


FAIRSEQ_CONFIG = ConfigTable(
    model_type="roberta",
    says=(
        # What the tensors' shapes tell, beside fairseq's own keys.
        Key("vocab_size", "vocab_size", 50265),
        Key("encoder_embed_dim", "hidden_size", 768),
        Key("encoder_layers", "num_layers", 12),
        Key("encoder_attention_heads", "num_heads", 12),
        Key("encoder_ffn_embed_dim", "intermediate_size", 3072),
        Key("activation_fn", "activation", "gelu", ACTIVATIONS),
        Keys({"max_positions": 512}, _positions, _rows),
        Keys({}, lambda _: {"type_vocab_size": 0}, _no_types),
        EPSILON,
    ),
    training=(Key("dropout", "dropout", 0.1), Key("attention_dropout", "attention_dropout", 0.1)),
    only=(
        *COMMON,
        NORM_FIRST,
        Only("encoder_learned_pos", (True, None), "positions are learned here"),
        Only("layernorm_embedding", (True, None), "the embeddings have a norm here"),
        Only("no_scale_embedding", (True, None), "embeddings are not scaled here"),
        Only("untie_weights_roberta", (False, None), _TIED, of=("masked_lm",)),
        Only(
            "share_encoder_input_output_embed",
            (True, None),
            _TIED,
        ),
        Only("spectral_norm_classification_head", (False, None), "a head's weights are what they are here"),
        Only(
            "pooler_activation_fn",
            ("tanh", None),
            "what stands for a whole text goes through tanh here",
            of=("sequence_classification",),
        ),
    ),
    nothing=NOTHING
    | keys(
        """
        activation_dropout classes encoder_input_dim encoder_output_dim freq_weighted_replacement leave_unmasked_prob
        mask_multiple_length mask_prob mask_stdev mask_whole_words num_classes random_token_prob sample_break_mode
        shorten_data_split_list shorten_method task use_bos
        """
    ),
    tasks=(
        plain("RobertaEncoder", "representation"),
        plain("RobertaModel", "masked_lm"),
        labelled("RobertaClassificationHead", "sequence_classification"),
    ),
)
