"""RoBERTa and its masked-LM head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import transformers
from torch import Tensor

from references.base import (
    ACTIVATIONS,
    LENGTH,
    LENGTHS,
    Arrays,
    Family,
    gather_masked,
    masked_labels,
    token_inputs,
)
from references.bert import BERT
from zoo_spec.experiment import ExperimentSpec

PAD = 1
ROBERTA = {name: value for name, value in BERT.items() if name != "type_vocab_size"}


def roberta_config(model: Any) -> transformers.RobertaConfig:
    return transformers.RobertaConfig(
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        vocab_size=model.vocab_size,
        # Rows of the table here, the longest sequence there.
        max_position_embeddings=model.position.offset + model.max_positions,
        type_vocab_size=model.type_vocab_size,
        hidden_act=ACTIVATIONS[model.activation],
        layer_norm_eps=model.layer_norm_epsilon,
        pad_token_id=PAD,
    )


def roberta_inputs(spec: ExperimentSpec, variant: str) -> Arrays:
    """The reference counts positions over the tokens that are not padding: id 1 stands there, and nowhere else."""
    inputs = token_inputs(spec, variant)
    ids = inputs["input_ids"]
    ids = np.where(ids == PAD, PAD + 1, ids)
    lengths = LENGTHS if variant == "padded" else (LENGTH,) * len(ids)
    inputs["input_ids"] = np.where(np.arange(LENGTH) < np.array(lengths)[:, None], ids, PAD)
    return inputs


def call_roberta(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    arguments = {"input_ids": given["input_ids"], "attention_mask": given.get("example_ids")}
    if "masked_ids" in given:
        arguments["labels"] = masked_labels(given)
    found = model(**arguments, output_hidden_states=True)
    results = {"hidden_states": found.hidden_states[-1]}
    if "logits" in found:
        return results | {"loss": found.loss, "masked_logits": gather_masked(found.logits, given)}
    return results | {"pooled": found.pooler_output}


def _family(task: str, reference: str, **changes: Any) -> Family:
    return Family(
        "roberta",
        task,
        reference,
        roberta_config,
        {**ROBERTA, **changes},
        call_roberta,
        inputs=roberta_inputs,
        variants=("full", "padded"),
    )


FAMILIES = {
    "roberta": _family("representation", "RobertaModel"),
    "roberta-masked-lm": _family("masked_lm", "RobertaForMaskedLM"),
    "roberta-masked-lm-one-head": _family(
        "masked_lm", "RobertaForMaskedLM", num_heads=1, hidden_size=35, num_layers=1
    ),
}
