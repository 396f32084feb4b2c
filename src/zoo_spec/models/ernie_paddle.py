"""ERNIE's weights and configuration as PaddleNLP has them, and as the release of 2019 did.

Source: PaddlePaddle/PaddleNLP, paddlenlp/transformers/ernie; PaddlePaddle/ERNIE, branch repro. Paddle's linear layers
keep their weights ``[in, out]``.
"""

from __future__ import annotations

import numpy as np

from zoo_spec.foreign.config import ACTIVATIONS, Config, ConfigTable, Fields, Key, Keys, Only, Said
from zoo_spec.foreign.hub import NOTHING, keys, labelled, plain
from zoo_spec.foreign.names import Entry, NameTable, Part, Repeat
from zoo_spec.foreign.transforms import SAME, TRANSPOSE, Transform
from zoo_spec.models.bert_config import RATES, SIZES

_ATTENTION = ("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("project", "out_proj")
_LINEAR = (
    *((f"attention.{ours}", f"self_attn.{theirs}") for ours, theirs in _ATTENTION),
    ("feed_forward.inner", "linear1"),
    ("feed_forward.outer", "linear2"),
)
_NORMS = (("attention_norm", "norm1"), ("feed_forward_norm", "norm2"))
_TABLES = (
    ("token", "word"),
    ("position", "position"),
    ("token_type", "token_type"),
    ("task_type", "task_type"),
)


def _linear(canonical: str, foreign: str, *, optional: bool = False) -> Entry:
    return Entry(f"{canonical}.{{leaf}}", f"{foreign}.{{leaf}}", TRANSPOSE, optional)


def _norm(canonical: str, foreign: str) -> Entry:
    return Entry(f"{canonical}.{{leaf}}", f"{foreign}.{{leaf}}")


PADDLE = NameTable(
    prefix="ernie.",
    backbone=Part(
        entries=(
            *(
                Entry(f"embeddings.{ours}.weight", f"embeddings.{theirs}_embeddings.weight")
                for ours, theirs in _TABLES
            ),
            _norm("embeddings.norm", "embeddings.layer_norm"),
            *(_linear(f"encoder.layers.{{layer}}.{a}", f"encoder.layers.{{layer}}.{b}") for a, b in _LINEAR),
            *(_norm(f"encoder.layers.{{layer}}.{a}", f"encoder.layers.{{layer}}.{b}") for a, b in _NORMS),
            _linear("pooler.dense", "pooler.dense", optional=True),
        )
    ),
    heads=(
        Part(
            entries=(
                _linear("masked_lm.dense", "cls.predictions.transform"),
                _norm("masked_lm.norm", "cls.predictions.layer_norm"),
                Entry("masked_lm.decoder.bias", "cls.predictions.decoder_bias"),
            ),
            repeats=(Repeat.copy("cls.predictions.decoder.weight", "embeddings.token.weight"),),
        ),
        Part(entries=(_linear("next_sentence.dense", "cls.seq_relationship"),)),
        Part(entries=(_linear("classifier.dense", "classifier"),)),
        Part(entries=(_linear("token_classifier.dense", "classifier"),)),
        Part(entries=(_linear("span.dense", "classifier"),)),
    ),
    old_endings={"cls.predictions.decoder_weight": "cls.predictions.decoder.weight"},
    old_parts={"cls.predictions.decoder.bias": "cls.predictions.decoder_bias"},
)

_FULLY = (
    ("attention.query", "multi_head_att_query_fc"),
    ("attention.key", "multi_head_att_key_fc"),
    ("attention.value", "multi_head_att_value_fc"),
    ("attention.project", "multi_head_att_output_fc"),
    ("feed_forward.inner", "ffn_fc_0"),
    ("feed_forward.outer", "ffn_fc_1"),
)


def _pair(
    canonical: str, weight: str, bias: str, transform: Transform, *, optional: bool = False
) -> tuple[Entry, Entry]:
    return (
        Entry(f"{canonical}.weight", weight, transform, optional),
        Entry(f"{canonical}.bias", bias, optional=optional),
    )


def _old_linear(canonical: str, foreign: str, *, optional: bool = False) -> tuple[Entry, Entry]:
    return _pair(canonical, f"{foreign}.w_0", f"{foreign}.b_0", TRANSPOSE, optional=optional)


def _old_norm(canonical: str, foreign: str) -> tuple[Entry, Entry]:
    return _pair(canonical, f"{foreign}_layer_norm_scale", f"{foreign}_layer_norm_bias", SAME)


_LAYER = "encoder.layers.{layer}"
OF_2019 = NameTable(
    backbone=Part(
        entries=(
            Entry("embeddings.token.weight", "word_embedding"),
            Entry("embeddings.position.weight", "pos_embedding"),
            Entry("embeddings.token_type.weight", "sent_embedding"),
            Entry("embeddings.task_type.weight", "task_embedding"),
            *_old_norm("embeddings.norm", "pre_encoder"),
            *(
                each
                for a, b in _FULLY
                for each in _old_linear(f"{_LAYER}.{a}", f"encoder_layer_{{layer}}_{b}")
            ),
            *_old_norm(f"{_LAYER}.attention_norm", "encoder_layer_{layer}_post_att"),
            *_old_norm(f"{_LAYER}.feed_forward_norm", "encoder_layer_{layer}_post_ffn"),
            *_old_linear("pooler.dense", "pooled_fc", optional=True),
        ),
        unused=("@LR_DECAY_COUNTER@", "learning_rate_{number}", "num_steps_{number}"),
    ),
    heads=(
        Part(
            entries=(
                *_old_linear("masked_lm.dense", "mask_lm_trans_fc"),
                *_old_norm("masked_lm.norm", "mask_lm_trans"),
                Entry("masked_lm.decoder.bias", "mask_lm_out_fc.b_0"),
            ),
            # There where it was trained without sharing the table.
            repeats=(Repeat("mask_lm_out_fc.w_0", "embeddings.token.weight", np.transpose, written=False),),
        ),
        Part(entries=_old_linear("next_sentence.dense", "next_sent_fc")),
        # Its scripts for classes, labels of tokens, and answers.
        Part(entries=_pair("classifier.dense", "cls_out_w", "cls_out_b", TRANSPOSE)),
        Part(
            entries=_pair("token_classifier.dense", "cls_seq_label_out_w", "cls_seq_label_out_b", TRANSPOSE)
        ),
        Part(entries=_pair("span.dense", "cls_squad_out_w", "cls_squad_out_b", TRANSPOSE)),
    ),
)

PADDLE_NAMES = {"paddle": PADDLE, "ernie-2019": OF_2019}


def _epsilon(model: Fields) -> Config:
    if model["layer_norm_epsilon"] != 1e-5:
        raise ValueError(
            f"model.layer_norm_epsilon is {model['layer_norm_epsilon']}, and Paddle has 1e-5 in every norm"
        )
    return {}


def _inner(config: Config) -> Fields:
    """Four times the width, where an old configuration leaves it out."""
    size, width = config["intermediate_size"], config["hidden_size"]
    if size is None and type(width) is int:
        size = 4 * width
    return {"intermediate_size": size}


_SAYS: tuple[Said, ...] = (
    *(size for size in SIZES if size.theirs != "intermediate_size"),
    Keys(
        {"intermediate_size": None}, _inner, lambda model: {"intermediate_size": model["intermediate_size"]}
    ),
    # Paddle's own; no configuration changes it.
    Keys({}, lambda _: {"layer_norm_epsilon": 1e-5}, _epsilon),
    # How many rows these have, the tensors' shapes tell: configurations of 1.0 and 2.0 say nothing of task types.
    Key("vocab_size", "vocab_size", 30522),
    Key("max_position_embeddings", "max_positions", 512),
    Key("type_vocab_size", "type_vocab_size", 4),
    Key("task_type_vocab_size", "task_type_vocab_size", 0),
)
_ONLY = (
    Only("use_recompute", (False, None, True), "only its trainer's memory"),
    Only("fuse", (False, None), "weights of layers that are computed as one are not read"),
    Only("pool_act", ("tanh", None), "what stands for a whole text goes through tanh here"),
)
_SILENT = NOTHING | keys(
    """
    classifier_dropout dropout enable_recompute eos_token_id init_class initializer_range layer_norm_eps name
    paddlenlp_version sent_type_vocab_size task_id use_cache use_task_id num_classes num_choices model_name
    fuse_attention_qkv fuse_attention_ffn id2label label2id num_labels
    """
)
_TASKS = (
    plain("ErnieModel", "representation"),
    plain("ErnieForPretraining", "masked_lm_next_sentence"),
    plain("ErnieForMaskedLM", "masked_lm"),
    labelled("ErnieForSequenceClassification", "sequence_classification"),
    labelled("ErnieForTokenClassification", "token_classification"),
    plain("ErnieForQuestionAnswering", "question_answering"),
)

PADDLE_CONFIGS = {
    source: ConfigTable(
        model_type="ernie",
        says=(*_SAYS, Key("hidden_act", "activation", usual, ACTIVATIONS)),
        training=RATES,
        only=_ONLY,
        nothing=_SILENT,
        tasks=_TASKS,
    )
    # The release of 2019 had relu in Chinese and gelu in English, and each configuration says which.
    for source, usual in (("paddle", "gelu"), ("ernie-2019", "relu"))
}
