"""GPT-2's configuration as ``transformers`` writes it."""

from __future__ import annotations

from zoo_spec.foreign.config import ConfigTable, Key, Normally, Only
from zoo_spec.foreign.hub import DECODER, EVERYWHERE, labelled, plain, sequence
from zoo_spec.models.decoder_config import GPT_ACTIVATIONS, SAYS_NOTHING, rates, sizes

TRANSFORMERS = ConfigTable(
    model_type="gpt2",
    says=(
        Key("vocab_size", "vocab_size", 50257),
        *sizes(768, 12, 12, 1024),
        Key("activation_function", "activation", "gelu_new", GPT_ACTIVATIONS),
        Key("layer_norm_epsilon", "layer_norm_epsilon", 1e-5),
        Key("tie_word_embeddings", "tied_output", True),
    ),
    training=(*rates(0.1), Key("initializer_range", "initializer", 0.02, Normally("normal"))),
    only=(
        *EVERYWHERE,
        *DECODER,
        Only("scale_attn_weights", (True,), "scores are over the root of a head's width here"),
        Only(
            "scale_attn_by_inverse_layer_idx", (False,), "scores are not divided by the layer's number here"
        ),
        Only("reorder_and_upcast_attn", (False,), "scores are not computed in another order here"),
    ),
    nothing=SAYS_NOTHING,
    tasks=(
        plain("GPT2Model", "representation"),
        plain("GPT2LMHeadModel", "causal_lm"),
        sequence("GPT2ForSequenceClassification", bias=False),
        labelled("GPT2ForTokenClassification", "token_classification", dropout="classifier_dropout"),
        plain("GPT2ForQuestionAnswering", "question_answering"),
    ),
    untied={"tied_output": False},
)

GPT2_CONFIGS = {"transformers": TRANSFORMERS}
