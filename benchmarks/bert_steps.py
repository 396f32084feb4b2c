"""One training step and one forward pass of BERT-base: Zoo's, and those of the libraries that people use instead.

``setup(name)`` gives the two functions for ``torch``, ``transformers``, ``tf`` or ``kerashub``: the same batch of 8
rows of 128 tokens with 20 predictions each, float32, no dropout, AdamW, clipping by global norm in all of them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
from measure import peak_bytes, serve

ROWS, LENGTH, PREDICTIONS, VOCABULARY = 8, 128, 20, 30522
RATE, DECAY, EPSILON, CLIP = 1e-4, 0.01, 1e-6, 1.0
OVERRIDES = ["model.dropout=0.0", "model.attention_dropout=0.0", "training.batch_size=8"]
PEERS = {"torch": "transformers", "tf": "kerashub"}

Run = Callable[[], object]


def batch() -> dict[str, np.ndarray]:
    """Full rows, as the data pipeline gives them."""
    draw = np.random.default_rng(0)
    positions = np.stack([np.sort(draw.permutation(LENGTH)[:PREDICTIONS]) for _ in range(ROWS)])
    return {
        "input_ids": draw.integers(5, VOCABULARY, (ROWS, LENGTH), np.int32),
        "token_type_ids": np.repeat([[0] * 64 + [1] * 64], ROWS, 0).astype(np.int32),
        "example_ids": np.ones((ROWS, LENGTH), np.int32),
        "masked_positions": positions.astype(np.int32),
        "masked_ids": draw.integers(5, VOCABULARY, (ROWS, PREDICTIONS), np.int32),
        "masked_weights": np.ones((ROWS, PREDICTIONS), np.float32),
        "next_sentence_labels": draw.integers(0, 2, (ROWS,), np.int32),
    }


def setup(name: str) -> tuple[Run, Run]:
    """The training step and the forward pass of one way."""
    return {
        "torch": zoo_steps,
        "tf": zoo_steps,
        "transformers": transformers_steps,
        "kerashub": kerashub_steps,
    }[name](name)


def zoo_steps(framework: str) -> tuple[Run, Run]:
    from zoo_common.backend import find_backend
    from zoo_common.training.denominators import denominators
    from zoo_spec import load_spec

    spec = load_spec("bert_base", OVERRIDES)
    graph, given = spec.graph(), batch()
    backend = find_backend(framework)()
    backend.initialize(graph, spec.training, seed=0, dtype="float32", device="cpu")
    divisors = denominators(graph, given)
    if framework == "torch":
        import torch

        tensors = backend._tensors(given)

        def forward() -> object:
            with torch.no_grad():
                return backend.model(**tensors)["loss"]
    else:
        tensors = backend._tensors(given)
        compiled = backend._function("forward", backend._forward, given)

        def forward() -> object:
            return compiled(tensors)["loss"].numpy()

    return lambda: float(backend.train_step([given], divisors, RATE).loss), forward


def transformers_steps(name: str) -> tuple[Run, Run]:
    import torch
    from transformers import BertConfig, BertForPreTraining

    config = BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForPreTraining(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, eps=EPSILON, fused=True)
    given = {key: torch.from_numpy(value) for key, value in batch().items()}
    labels = torch.full((ROWS, LENGTH), -100)
    labels.scatter_(1, given["masked_positions"].long(), given["masked_ids"].long())
    arguments = {
        "input_ids": given["input_ids"],
        "token_type_ids": given["token_type_ids"],
        "attention_mask": given["example_ids"],
        "labels": labels,
        "next_sentence_label": given["next_sentence_labels"].long(),
    }

    def train() -> object:
        loss = model(**arguments).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    @torch.no_grad()
    def forward() -> object:
        return float(model(**arguments).loss)

    return train, forward


def kerashub_steps(name: str) -> tuple[Run, Run]:
    import keras
    import keras_hub
    import tensorflow as tf

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=12,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        dropout=0.0,
        max_sequence_length=512,
    )
    positions = keras.Input((PREDICTIONS,), dtype="int32", name="mask_positions")
    logits = keras_hub.layers.MaskedLMHead(token_embedding=backbone.token_embedding)(
        backbone.output["sequence_output"], positions
    )
    model = keras.Model({**backbone.input, "mask_positions": positions}, logits)
    model.compile(
        optimizer=keras.optimizers.AdamW(RATE, weight_decay=DECAY, epsilon=EPSILON, global_clipnorm=CLIP),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    given = batch()
    features = {
        "token_ids": tf.constant(given["input_ids"]),
        "segment_ids": tf.constant(given["token_type_ids"]),
        "padding_mask": tf.constant(given["example_ids"]),
        "mask_positions": tf.constant(given["masked_positions"]),
    }
    labels = tf.constant(given["masked_ids"])
    compiled = tf.function(lambda inputs: model(inputs, training=False))
    return (
        lambda: float(model.train_on_batch(features, labels)),
        lambda: compiled(features).numpy(),
    )


def main() -> None:
    """``bert_steps.py NAME``: serve its steps; ``bert_steps.py NAME peak``: the peak memory of two of them."""
    train, forward = setup(sys.argv[1])
    if sys.argv[2:] == ["peak"]:
        for _ in range(2):
            train()
        print(json.dumps({"peak": peak_bytes()}))
    else:
        serve({"train": train, "forward": forward})


if __name__ == "__main__":
    main()
