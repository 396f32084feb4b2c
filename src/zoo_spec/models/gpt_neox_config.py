"""GPT-NeoX' configuration as ``transformers`` writes it: 5.x puts what rotary positions do into one mapping."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import ACTIVATIONS, Config, ConfigTable, Fields, Key, Keys, Normally, Only
from zoo_spec.foreign.hub import DECODER, EVERYWHERE, labelled, plain, sequence
from zoo_spec.models.bert_config import SAYS_NOTHING

_ROTARY: dict[str, JsonValue] = {"rope_parameters": None, "rotary_pct": 0.25, "rotary_emb_base": 10000.0}


def _rotary(config: Config) -> Fields:
    said = config["rope_parameters"]
    said = said if isinstance(said, dict) else {}
    kind = said.get("rope_type", said.get("type", "default"))
    if kind != "default":
        raise ValueError(f"rope_parameters.rope_type is {kind!r}: rotary positions are not scaled here")
    base = said.get("rope_theta", config["rotary_emb_base"])
    part = said.get("partial_rotary_factor", config["rotary_pct"])
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if (
        not isinstance(part, int | float)
        or not isinstance(width, int)
        or not isinstance(heads, int)
        or not heads
    ):
        raise ValueError(
            f"rotary_pct is {part!r}, of heads of {width!r} over {heads!r}; numbers are expected"
        )
    return {"rotary_dims": int(width // heads * part), "position": {"kind": "rotary", "base": base}}


def _said(model: Fields) -> Config:
    position, width, heads = model["position"], model["hidden_size"], model["num_heads"]
    dims = model["rotary_dims"]
    assert isinstance(position, dict)
    assert isinstance(width, int)
    assert isinstance(heads, int)
    part = 1.0 if not isinstance(dims, int) else dims / (width // heads)
    rope: dict[str, JsonValue] = {
        "rope_type": "default",
        "rope_theta": position["base"],
        "partial_rotary_factor": part,
    }
    return {"rope_parameters": rope}


def _attention(config: Config) -> Fields:
    if config["attention_bias"] is True:
        return {}
    return {"attention": {"kind": "attention", "mask": "causal", "bias": False}}


def _has_bias(model: Fields) -> Config:
    attention = model["attention"]
    return {"attention_bias": isinstance(attention, dict) and attention["bias"]}


TRANSFORMERS = ConfigTable(
    model_type="gpt_neox",
    says=(
        Key("vocab_size", "vocab_size", 50432),
        Key("hidden_size", "hidden_size", 6144),
        Key("num_hidden_layers", "num_layers", 44),
        Key("num_attention_heads", "num_heads", 64),
        Key("intermediate_size", "intermediate_size", 24576),
        Key("hidden_act", "activation", "gelu", ACTIVATIONS),
        Key("max_position_embeddings", "max_positions", 2048),
        Key("layer_norm_eps", "layer_norm_epsilon", 1e-5),
        Keys(_ROTARY, _rotary, _said),
        Keys({"attention_bias": True}, _attention, _has_bias),
        Key("tie_word_embeddings", "tied_output", False),
    ),
    training=(
        Key("hidden_dropout", "dropout", 0.0),
        Key("attention_dropout", "attention_dropout", 0.0),
        Key("initializer_range", "initializer", 0.02, Normally("normal")),
    ),
    only=(
        *EVERYWHERE,
        *DECODER,
        Only("use_parallel_residual", (True,), "the halves of a layer stand side by side here"),
    ),
    # Of the first published configuration, which named them otherwise.
    nothing=SAYS_NOTHING | frozenset(("is_decoder", "attention_probs_dropout_prob", "hidden_dropout_prob")),
    tasks=(
        plain("GPTNeoXModel", "representation"),
        plain("GPTNeoXForCausalLM", "causal_lm"),
        sequence("GPTNeoXForSequenceClassification", bias=False),
        labelled("GPTNeoXForTokenClassification", "token_classification", dropout="classifier_dropout"),
        plain("GPTNeoXForQuestionAnswering", "question_answering"),
    ),
    untied={"tied_output": False},
    published={"hidden_act": "gelu_fast"},
    authors={
        "activation": (
            "gelu_tanh",
            "EleutherAI/gpt-neox, whose fused code computes GELU by tanh, trained the published weights",
        )
    },
)

GPT_NEOX_CONFIGS = {"transformers": TRANSFORMERS}
