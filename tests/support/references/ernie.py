"""ERNIE with and without task types, and its pre-training heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import transformers
from torch import Tensor

from references.base import ACTIVATIONS, Arrays, Family, gather_masked, masked_labels, token_inputs
from references.bert import BERT
from zoo_spec.experiment import ExperimentSpec

ERNIE = {**BERT, "task_type_vocab_size": 5}


def ernie_config(model: Any) -> transformers.ErnieConfig:
    return transformers.ErnieConfig(
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        vocab_size=model.vocab_size,
        max_position_embeddings=model.max_positions,
        type_vocab_size=model.type_vocab_size,
        task_type_vocab_size=model.task_type_vocab_size,
        use_task_id=model.task_type_vocab_size > 0,
        hidden_act=ACTIVATIONS[model.activation],
        layer_norm_eps=model.layer_norm_epsilon,
        # The gradient of the padding token's row is zeroed otherwise.
        pad_token_id=None,
    )


def ernie_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    inputs = token_inputs(spec, variant)
    if not variant.endswith("no-tasks"):
        rows = max(1, spec.model.task_type_vocab_size)
        inputs["task_type_ids"] = np.random.default_rng(13).integers(0, rows, inputs["input_ids"].shape)
    return inputs


def call_ernie(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arguments = {name: given.get(name) for name in ("input_ids", "token_type_ids", "task_type_ids")}
    arguments["attention_mask"] = given.get("example_ids")
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
        results["pooled"] = model.ernie.pooler(results["hidden_states"])
    return results


def _family(task: str, reference: str, variants: tuple[str, ...], **changes: Any) -> Family:
    return Family(
        "ernie",
        task,
        reference,
        ernie_config,
        {**ERNIE, **changes},
        call_ernie,
        inputs=ernie_inputs,
        variants=variants,
    )


TASKS, PLAIN = ("full", "full-no-tasks", "padded", "padded-no-types"), ("full", "padded")
FAMILIES = {
    "ernie": _family("representation", "ErnieModel", TASKS),
    "ernie-1": _family("masked_lm", "ErnieForMaskedLM", PLAIN, activation="relu", task_type_vocab_size=0),
    "ernie-pretraining": _family("masked_lm_next_sentence", "ErnieForPreTraining", TASKS),
}
