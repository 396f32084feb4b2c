"""GPT-J's configuration as ``transformers`` writes it."""

from __future__ import annotations

from zoo_spec.foreign.config import ConfigTable, Key, Normally, Only
from zoo_spec.foreign.hub import DECODER, EVERYWHERE, plain, sequence
from zoo_spec.models.decoder_config import GPT_ACTIVATIONS, SAYS_NOTHING, rates, sizes

TRANSFORMERS = ConfigTable(
    model_type="gptj",
    says=(
        Key("vocab_size", "vocab_size", 50400),
        *sizes(4096, 28, 16, 2048),
        Key("rotary_dim", "rotary_dims", 64),
        Key("activation_function", "activation", "gelu_new", GPT_ACTIVATIONS),
        Key("layer_norm_epsilon", "layer_norm_epsilon", 1e-5),
    ),
    training=(*rates(0.0), Key("initializer_range", "initializer", 0.02, Normally("normal"))),
    only=(
        *EVERYWHERE,
        *DECODER,
        Only("scale_attn_weights", (True,), "scores are over the root of a head's width here"),
        Only(
            "tie_word_embeddings",
            (False,),
            "the output has a matrix and a bias of its own here",
            of=("causal_lm", "summarization"),
        ),
    ),
    nothing=SAYS_NOTHING,
    tasks=(
        plain("GPTJModel", "representation"),
        plain("GPTJForCausalLM", "causal_lm"),
        sequence("GPTJForSequenceClassification", bias=False),
        plain("GPTJForQuestionAnswering", "question_answering"),
    ),
)

GPTJ_CONFIGS = {"transformers": TRANSFORMERS}
