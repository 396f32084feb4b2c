"""BERT's fine-tuning tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor

from references.base import BATCH, LENGTH, LENGTHS, Arrays, Family, token_inputs
from references.bert import BERT, bert_config
from zoo_spec.experiment import ExperimentSpec

CLASSES = 5


def with_labels(**labels: np.ndarray) -> Callable[[ExperimentSpec, str], Arrays]:
    return lambda spec, variant: {**token_inputs(spec, variant), **labels}


def config_for(problem: str | None, classes: int) -> Callable[[Any], transformers.BertConfig]:
    def config(model: Any) -> transformers.BertConfig:
        found = bert_config(model)
        found.num_labels, found.problem_type = classes, problem
        return found

    return config


def run(model: Any, given: Mapping[str, Tensor], **labels: Tensor) -> Any:
    return model(
        input_ids=given["input_ids"],
        token_type_ids=given.get("token_type_ids"),
        attention_mask=given.get("example_ids"),
        output_hidden_states=True,
        **labels,
    )


def call_sequence(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    is_multi_label = model.config.problem_type == "multi_label_classification"
    labels = given["labels"].double() if is_multi_label else given["labels"]
    found = run(model, given, labels=labels)
    hidden = found.hidden_states[-1]
    logits = found.logits[:, 0] if model.config.problem_type == "regression" else found.logits
    return {
        "hidden_states": hidden,
        "pooled": model.bert.pooler(hidden),
        "logits": logits,
        "loss": found.loss,
    }


def call_tokens(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    labels = given["labels"].masked_fill(given["label_weights"] == 0, -100)
    found = run(model, given, labels=labels)
    return {"hidden_states": found.hidden_states[-1], "logits": found.logits, "loss": found.loss}


def call_span(model: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    labels = {name: given[name] for name in ("start_positions", "end_positions")}
    found = run(model, given, **labels)
    start, end = found.start_logits, found.end_logits
    loss = found.loss
    if "example_ids" in given:
        # transformers' softmax runs over padding too, whose hidden states differ from ours.
        padding = given["example_ids"] == 0
        pairs = zip((start, end), labels.values(), strict=True)
        each = [F.cross_entropy(logits.masked_fill(padding, -torch.inf), at) for logits, at in pairs]
        loss = sum(each) / 2
    return {"hidden_states": found.hidden_states[-1], "start_logits": start, "end_logits": end, "loss": loss}


_RNG = np.random.default_rng(5)
_REAL = np.arange(LENGTH) < np.array(LENGTHS)[:, None]

FAMILIES = {
    "bert-classification": Family(
        "bert",
        "sequence_classification",
        "BertForSequenceClassification",
        config_for("single_label_classification", CLASSES),
        BERT,
        call_sequence,
        task_fields={"classes": CLASSES},
        inputs=with_labels(labels=_RNG.integers(0, CLASSES, BATCH)),
    ),
    "bert-multi-label": Family(
        "bert",
        "sequence_multi_label_classification",
        "BertForSequenceClassification",
        config_for("multi_label_classification", CLASSES),
        BERT,
        call_sequence,
        task_fields={"classes": CLASSES},
        inputs=with_labels(labels=_RNG.integers(0, 2, (BATCH, CLASSES))),
    ),
    "bert-regression": Family(
        "bert",
        "sequence_regression",
        "BertForSequenceClassification",
        config_for("regression", 1),
        BERT,
        call_sequence,
        inputs=with_labels(labels=_RNG.standard_normal(BATCH)),
    ),
    "bert-token-classification": Family(
        "bert",
        "token_classification",
        "BertForTokenClassification",
        config_for(None, CLASSES),
        BERT,
        call_tokens,
        task_fields={"classes": CLASSES},
        inputs=with_labels(
            labels=_RNG.integers(0, CLASSES, (BATCH, LENGTH)),
            label_weights=(_REAL & (_RNG.random((BATCH, LENGTH)) < 0.7)).astype(np.float64),
        ),
        rows=("hidden_states", "logits"),
    ),
    "bert-question-answering": Family(
        "bert",
        "question_answering",
        "BertForQuestionAnswering",
        bert_config,
        {**BERT, "num_layers": 2},
        call_span,
        # The first has no answer.
        inputs=with_labels(start_positions=np.array([0, 7, 2]), end_positions=np.array([0, 8, 4])),
        rows=("hidden_states", "start_logits", "end_logits"),
        # Softmax over positions does not feel what a bias adds to all of them alike.
        still=("key.bias", "span.dense.bias", "layers.1.feed_forward_norm.bias"),
    ),
}
