"""T5 small, 8 rows of 128 tokens that are read and 64 that are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from family_steps.family import Family, KerasHub, Transformers
from family_steps.steps import Arrays

if TYPE_CHECKING:
    from family_steps.case import Case


def draw(case: Case, rows: int) -> Arrays:
    rng, vocabulary = np.random.default_rng(0), case.spec.model.vocab_size
    read, written = (rows, case.batch_length), (rows, case.batch_length // 2)
    labels = rng.integers(5, vocabulary, written, np.int32)
    return {
        "input_ids": rng.integers(5, vocabulary, read, np.int32),
        "example_ids": np.ones(read, np.int32),
        "decoder_input_ids": np.pad(labels[:, :-1], ((0, 0), (1, 0))),
        "decoder_example_ids": np.ones(written, np.int32),
        "labels": labels,
        "label_weights": np.ones(written, np.float32),
    }


def transformers_model(case: Case) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    model = case.spec.model
    return T5ForConditionalGeneration(
        T5Config(
            d_model=model.hidden_size,
            d_kv=model.head_size,
            d_ff=model.intermediate_size,
            num_layers=model.num_layers,
            num_decoder_layers=model.num_decoder_layers,
            num_heads=model.num_heads,
            vocab_size=model.vocab_size,
            dropout_rate=0.0,
            feed_forward_proj="relu",
        )
    )


def transformers_arguments(given: dict[str, Any]) -> dict[str, Any]:
    found = {
        "input_ids": given["input_ids"],
        "attention_mask": given["example_ids"],
        "decoder_input_ids": given["decoder_input_ids"],
        "decoder_attention_mask": given["decoder_example_ids"],
    }
    return found | ({"labels": given["labels"].long()} if "labels" in given else {})


def kerashub_model(case: Case) -> Any:
    import keras
    import keras_hub

    model = case.spec.model
    backbone = keras_hub.models.T5Backbone(
        vocabulary_size=model.vocab_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.hidden_size,
        intermediate_dim=model.intermediate_size,
        key_value_dim=model.head_size,
        dropout=0.0,
        activation="relu",
        use_gated_activation=False,
    )
    hidden = backbone.output["decoder_sequence_output"] * model.hidden_size**-0.5
    return keras.Model(backbone.input, backbone.token_embedding(hidden, reverse=True))


def kerashub_features(given: Arrays) -> Any:
    return {
        "encoder_token_ids": given["input_ids"],
        "encoder_padding_mask": given["example_ids"],
        "decoder_token_ids": given["decoder_input_ids"],
        "decoder_padding_mask": given["decoder_example_ids"],
    }


FAMILY = Family(
    "t5",
    "t5_small",
    draw,
    rows=8,
    length=128,
    settings=("model.dropout=0.0", "model.attention_dropout=0.0", "model.activation_dropout=0.0"),
    tiny=("model.num_layers=2", "model.num_decoder_layers=2", "model.intermediate_size=512"),
    transformers=Transformers(transformers_model, transformers_arguments),
    kerashub=KerasHub(kerashub_model, kerashub_features, lambda given: given["labels"]),
    products=(512, 2048),
)
