"""ERNIE's configuration as ``transformers`` writes it."""

from __future__ import annotations

from zoo_spec.foreign.config import ACTIVATIONS, ConfigTable, Key, Keys
from zoo_spec.foreign.hub import ENCODER, EVERYWHERE, labelled, plain, sequence
from zoo_spec.models.bert_config import RATES, SAYS_NOTHING, SIZES

TASK_TYPES = Keys(
    {"use_task_id": False, "task_type_vocab_size": 3},
    lambda config: {"task_type_vocab_size": config["task_type_vocab_size"] if config["use_task_id"] else 0},
    lambda model: (
        {"use_task_id": True, "task_type_vocab_size": model["task_type_vocab_size"]}
        if model["task_type_vocab_size"]
        else {"use_task_id": False}
    ),
)

TRANSFORMERS = ConfigTable(
    model_type="ernie",
    says=(
        Key("vocab_size", "vocab_size", 30522),
        *SIZES,
        Key("hidden_act", "activation", "gelu", ACTIVATIONS),
        Key("max_position_embeddings", "max_positions", 512),
        Key("type_vocab_size", "type_vocab_size", 2),
        TASK_TYPES,
        Key("layer_norm_eps", "layer_norm_epsilon", 1e-12),
    ),
    training=RATES,
    only=(*EVERYWHERE, *ENCODER),
    nothing=SAYS_NOTHING,
    tasks=(
        plain("ErnieModel", "representation"),
        plain("ErnieForPreTraining", "masked_lm_next_sentence"),
        plain("ErnieForMaskedLM", "masked_lm"),
        sequence("ErnieForSequenceClassification", dropout="classifier_dropout"),
        labelled("ErnieForTokenClassification", "token_classification", dropout="classifier_dropout"),
        plain("ErnieForQuestionAnswering", "question_answering"),
    ),
    authors={
        "layer_norm_epsilon": (1e-5, "Paddle, which trained the published weights, has 1e-5 in every norm")
    },
)

ERNIE_CONFIGS = {"transformers": TRANSFORMERS}
