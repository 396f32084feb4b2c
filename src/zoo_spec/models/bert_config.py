"""BERT's configuration as ``transformers`` writes it."""

from __future__ import annotations

from zoo_spec.foreign.config import ACTIVATIONS, ConfigTable, Key, Normally
from zoo_spec.foreign.hub import ENCODER, EVERYWHERE, LABELS, NOTHING, keys, labelled, plain, sequence

SIZES = (
    Key("hidden_size", "hidden_size", 768),
    Key("num_hidden_layers", "num_layers", 12),
    Key("num_attention_heads", "num_heads", 12),
    Key("intermediate_size", "intermediate_size", 3072),
)
"""What most families call their sizes."""
RATES = (
    Key("hidden_dropout_prob", "dropout", 0.1),
    Key("attention_probs_dropout_prob", "attention_dropout", 0.1),
    Key("initializer_range", "initializer", 0.02, Normally("truncated_normal")),
)
SAYS_NOTHING = frozenset({*NOTHING, *LABELS, "classifier_dropout", "problem_type"})
"""What says something beside one head alone says nothing beside the others."""

POOLER = keys(
    """
    directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type
    """
)
"""What the configurations of google-research/bert say of a pooler that nobody has."""

TRANSFORMERS = ConfigTable(
    model_type="bert",
    says=(
        Key("vocab_size", "vocab_size", 30522),
        *SIZES,
        Key("hidden_act", "activation", "gelu", ACTIVATIONS),
        Key("max_position_embeddings", "max_positions", 512),
        Key("type_vocab_size", "type_vocab_size", 2),
        Key("layer_norm_eps", "layer_norm_epsilon", 1e-12),
    ),
    training=RATES,
    only=(*EVERYWHERE, *ENCODER),
    nothing=SAYS_NOTHING | POOLER,
    tasks=(
        plain("BertModel", "representation"),
        plain("BertForPreTraining", "masked_lm_next_sentence"),
        plain("BertForMaskedLM", "masked_lm"),
        sequence("BertForSequenceClassification", dropout="classifier_dropout"),
        labelled("BertForTokenClassification", "token_classification", dropout="classifier_dropout"),
        plain("BertForQuestionAnswering", "question_answering"),
    ),
    authors={
        "activation": (
            "gelu_tanh",
            "google-research/bert, whose code computes GELU by tanh, trained the published weights",
        )
    },
)

BERT_CONFIGS = {"transformers": TRANSFORMERS}
