"""BERT and its pre-training heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import transformers
from torch import Tensor

from references.base import ACTIVATIONS, Family, gather_masked, masked_labels

# An epsilon large enough to show at 1e-10, and sizes that no published model has.
BERT = {
    "hidden_size": 48,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 83,
    "vocab_size": 101,
    "max_positions": 29,
    "type_vocab_size": 3,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "layer_norm_epsilon": 3e-3,
}


def bert_config(model: Any) -> transformers.BertConfig:
    return transformers.BertConfig(
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        vocab_size=model.vocab_size,
        max_position_embeddings=model.max_positions,
        type_vocab_size=model.type_vocab_size,
        hidden_act=ACTIVATIONS[model.activation],
        layer_norm_eps=model.layer_norm_epsilon,
        # The gradient of the padding token's row is zeroed otherwise.
        pad_token_id=None,
    )


def call_bert(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arguments = {
        "input_ids": given["input_ids"],
        "token_type_ids": given.get("token_type_ids"),
        "attention_mask": given.get("example_ids"),
    }
    if "masked_ids" in given:
        arguments["labels"] = masked_labels(given)
    if "next_sentence_labels" in given:
        arguments["next_sentence_label"] = given["next_sentence_labels"]
    found = model(**arguments, output_hidden_states=True)
    results = {"hidden_states": found.hidden_states[-1]}
    renamed = {"pooler_output": "pooled", "seq_relationship_logits": "next_sentence_logits", "loss": "loss"}
    results |= {ours: found[theirs] for theirs, ours in renamed.items() if found.get(theirs) is not None}
    logits = found.get("prediction_logits", found.get("logits"))
    if logits is not None:
        results["masked_logits"] = gather_masked(logits, given)
    if "next_sentence_logits" in results:
        results["pooled"] = model.bert.pooler(results["hidden_states"])
    return results


FAMILIES = {
    "bert": Family("bert", "representation", "BertModel", bert_config, BERT, call_bert),
    "bert-masked-lm": Family("bert", "masked_lm", "BertForMaskedLM", bert_config, BERT, call_bert),
    "bert-pretraining": Family(
        "bert", "masked_lm_next_sentence", "BertForPreTraining", bert_config, BERT, call_bert
    ),
    "bert-relu-one-head": Family(
        "bert",
        "masked_lm_next_sentence",
        "BertForPreTraining",
        bert_config,
        {**BERT, "activation": "relu", "num_heads": 1, "hidden_size": 35, "num_layers": 1},
        call_bert,
    ),
}
