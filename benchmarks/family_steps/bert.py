"""BERT-base, 8 rows of 128 tokens with 20 predictions each, and its next-sentence head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from family_steps.family import Family, KerasHub, Transformers
from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case

PREDICTIONS = 20


def draw(case: Case, rows: int) -> Arrays:
    rng, length, vocabulary = np.random.default_rng(0), case.batch_length, case.spec.model.vocab_size
    positions = np.stack([np.sort(rng.permutation(length)[:PREDICTIONS]) for _ in range(rows)])
    return {
        "input_ids": rng.integers(5, vocabulary, (rows, length), np.int32),
        "token_type_ids": np.repeat([[0] * (length // 2) + [1] * (length // 2)], rows, 0).astype(np.int32),
        "example_ids": np.ones((rows, length), np.int32),
        "masked_positions": positions.astype(np.int32),
        "masked_ids": rng.integers(5, vocabulary, (rows, PREDICTIONS), np.int32),
        "masked_weights": np.ones((rows, PREDICTIONS), np.float32),
        "next_sentence_labels": rng.integers(0, 2, (rows,), np.int32),
    }


def transformers_model(case: Case) -> Any:
    from transformers import BertConfig, BertForPreTraining

    model = case.spec.model
    return BertForPreTraining(
        BertConfig(
            vocab_size=model.vocab_size,
            num_hidden_layers=model.num_layers,
            hidden_size=model.hidden_size,
            num_attention_heads=model.num_heads,
            intermediate_size=model.intermediate_size,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )


def transformers_arguments(given: dict[str, Any]) -> dict[str, Any]:
    found = {
        "input_ids": given["input_ids"],
        "token_type_ids": given["token_type_ids"],
        "attention_mask": given["example_ids"],
    }
    if "masked_ids" in given:
        labels = given["input_ids"].new_full(given["input_ids"].shape, -100).long()
        labels.scatter_(1, given["masked_positions"].long(), given["masked_ids"].long())
        found |= {"labels": labels, "next_sentence_label": given["next_sentence_labels"].long()}
    return found


def kerashub_model(case: Case) -> Any:
    import keras
    import keras_hub

    model = case.spec.model
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=model.vocab_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.hidden_size,
        intermediate_dim=model.intermediate_size,
        dropout=0.0,
        max_sequence_length=512,
    )
    positions = keras.Input((PREDICTIONS,), dtype="int32", name="mask_positions")
    logits = keras_hub.layers.MaskedLMHead(token_embedding=backbone.token_embedding)(
        backbone.output["sequence_output"], positions
    )
    return keras.Model({**backbone.input, "mask_positions": positions}, logits)


def kerashub_features(given: Arrays) -> Any:
    return {
        "token_ids": given["input_ids"],
        "segment_ids": given["token_type_ids"],
        "padding_mask": given["example_ids"],
        "mask_positions": given["masked_positions"],
    }


FAMILY = Family(
    "bert",
    "bert_base",
    draw,
    rows=8,
    length=128,
    settings=("model.dropout=0.0", "model.attention_dropout=0.0"),
    tiny=(
        "model.num_layers=2",
        "model.hidden_size=128",
        "model.num_heads=2",
        "model.intermediate_size=512",
    ),
    transformers=Transformers(transformers_model, transformers_arguments),
    kerashub=KerasHub(kerashub_model, kerashub_features, lambda given: given["masked_ids"]),
)
