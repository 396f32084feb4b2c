"""BERT's ``bert_config.json``, as google-research/bert reads it (modeling.py, BertConfig)."""

from __future__ import annotations

from zoo_spec.foreign.always import Always
from zoo_spec.foreign.config import ConfigTable, Key, Words
from zoo_spec.foreign.hub import labelled, plain
from zoo_spec.models.bert_config import POOLER, RATES, SAYS_NOTHING, SIZES

# Its code computes GELU by tanh, since November 2018.
_ACTIVATIONS = Words((("gelu", "gelu_tanh"), ("relu", "relu"), ("tanh", "tanh")))

GOOGLE_CONFIG = ConfigTable(
    model_type="bert",
    says=(
        Key("vocab_size", "vocab_size", 30522),
        *SIZES,
        Key("hidden_act", "activation", "gelu", _ACTIVATIONS),
        Key("max_position_embeddings", "max_positions", 512),
        Key("type_vocab_size", "type_vocab_size", 16),
        Always("google-research/bert", {"layer_norm_epsilon": 1e-12}),
    ),
    training=RATES,
    nothing=SAYS_NOTHING | POOLER,
    tasks=(
        plain("run_pretraining", "masked_lm_next_sentence"),
        plain("", "representation"),
        plain("masked_lm", "masked_lm"),
        labelled("run_classifier", "sequence_classification"),
        plain("run_squad", "question_answering"),
    ),
)
