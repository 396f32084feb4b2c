"""One training step and one forward pass of BERT-base: Zoo's, and those of the libraries that people use instead.

``setup(name)`` gives the two functions for ``torch``, ``transformers``, ``tf`` or ``kerashub``: the same batch of 8
rows of 128 tokens with 20 predictions each, float32, no dropout, AdamW, clipping by global norm in all of them; a
``Case`` says otherwise. Each returns when its result is there, on whatever device. ``products(name)`` gives the
matrix products that a step is made of, by themselves.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
from measure import peak_bytes, serve

if TYPE_CHECKING:
    from zoo_spec.experiment import ExperimentSpec

PREDICTIONS, VOCABULARY = 20, 30522
RATE, DECAY, EPSILON, CLIP = 1e-4, 0.01, 1e-6, 1.0
TINY = ["model.num_layers=2", "model.hidden_size=128", "model.num_heads=2", "model.intermediate_size=512"]
PEERS = {"torch": "transformers", "tf": "kerashub"}
PRODUCTS = ((1024, 768, 3072), (1024, 3072, 768), (1024, 768, 768))
"""Rows, inner size and columns of BERT-base's float32 products, at 8 rows of 128 tokens."""
REPEATS = 10
"""Products in one run, so that what a call costs does not show."""

Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """What is computed, and where; ``tiny`` has BERT-base's vocabulary and two thin layers."""

    device: str = "cpu"
    dtype: str = "float32"
    rows: int = 8
    length: int = 128
    compiled: bool = False
    tiny: bool = False

    @cached_property
    def spec(self) -> ExperimentSpec:
        from zoo_spec import load_spec

        whole = [f"training.batch_size={self.rows}", "training.micro_batch_size=null"]
        plain = ["model.dropout=0.0", "model.attention_dropout=0.0"]
        return load_spec("bert_base", [*plain, *whole, *(TINY if self.tiny else [])])

    def flops(self) -> tuple[int, int]:
        """Of a training step and of a forward pass."""
        sizes = {"batch": self.rows, "sequence": self.length, "predictions": PREDICTIONS}
        cost = self.spec.graph().cost(**sizes)
        return cost.training_flops, cost.flops


def batch(case: Case) -> dict[str, np.ndarray]:
    """Full rows, as the data pipeline gives them."""
    draw = np.random.default_rng(0)
    rows, length = case.rows, case.length
    positions = np.stack([np.sort(draw.permutation(length)[:PREDICTIONS]) for _ in range(rows)])
    return {
        "input_ids": draw.integers(5, VOCABULARY, (rows, length), np.int32),
        "token_type_ids": np.repeat([[0] * (length // 2) + [1] * (length // 2)], rows, 0).astype(np.int32),
        "example_ids": np.ones((rows, length), np.int32),
        "masked_positions": positions.astype(np.int32),
        "masked_ids": draw.integers(5, VOCABULARY, (rows, PREDICTIONS), np.int32),
        "masked_weights": np.ones((rows, PREDICTIONS), np.float32),
        "next_sentence_labels": draw.integers(0, 2, (rows,), np.int32),
    }


def setup(name: str, case: Case = Case()) -> tuple[Run, Run]:
    """The training step and the forward pass of one way."""
    return {
        "torch": zoo_steps,
        "tf": zoo_steps,
        "transformers": transformers_steps,
        "kerashub": kerashub_steps,
    }[name](name, case)


def zoo_steps(framework: str, case: Case) -> tuple[Run, Run]:
    from zoo_common.backend import find_backend
    from zoo_common.training.denominators import denominators
    from zoo_common.weights import InitialValues

    graph, given = case.spec.graph(), batch(case)
    weights = InitialValues(graph.parameters(), case.spec.training.seed)
    backend = find_backend(framework)().for_training(
        graph, case.spec.training, weights, dtype=case.dtype, device=case.device
    )
    divisors = denominators(graph, given)
    tensors = backend._tensors(given)
    if framework == "torch":
        import torch

        if case.compiled:
            backend.model = torch.compile(backend.model)

        def forward() -> object:
            with torch.no_grad():
                return float(backend.model(**tensors)["loss"])
    else:
        import tensorflow as tf

        if case.compiled:
            scalars, rate = backend._scalar_specs(divisors), tf.TensorSpec((), tf.float64)
            for name, function, arguments in (
                ("step", backend._step, (given, scalars, rate)),
                ("forward", backend._forward, (given,)),
            ):
                backend._function(name, function, *arguments)
                (key,) = (key for key in backend._functions if key[0] == name)
                backend._functions[key] = tf.function(function, jit_compile=True)
        compiled = backend._function("forward", backend._forward, given)

        def forward() -> object:
            return float(compiled(tensors)["loss"])

    return lambda: float(backend.train_step([given], divisors, RATE).loss), forward


def products(name: str) -> dict[str, Run]:
    """``REPEATS`` products of each of the sizes by the framework of this way, as this process computes them."""
    return {f"product {sizes}": _product(name, *sizes) for sizes in PRODUCTS}


def _product(name: str, rows: int, inner: int, columns: int) -> Run:
    draw = np.random.default_rng(0)
    left = draw.normal(size=(rows, inner)).astype(np.float32)
    right = draw.normal(size=(columns, inner)).astype(np.float32)
    if name in ("torch", "transformers"):
        import torch

        x, weight = torch.from_numpy(left), torch.from_numpy(right)

        @torch.no_grad()
        def run() -> object:
            for _ in range(REPEATS):
                y = torch.nn.functional.linear(x, weight)
            return float(y[0, 0])
    else:
        import tensorflow as tf

        x, kernel = tf.constant(left), tf.constant(right.T)

        def run() -> object:
            for _ in range(REPEATS):
                y = tf.matmul(x, kernel)
            return float(y[0, 0])

    return run


def transformers_steps(name: str, case: Case) -> tuple[Run, Run]:
    import torch
    from transformers import BertConfig, BertForPreTraining

    device = "cuda" if case.device == "gpu" else "cpu"
    config = BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **_sizes(case))
    model = BertForPreTraining(config).train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, eps=EPSILON, fused=True)
    given = {key: torch.from_numpy(value).to(device) for key, value in batch(case).items()}
    labels = torch.full((case.rows, case.length), -100, device=device)
    labels.scatter_(1, given["masked_positions"].long(), given["masked_ids"].long())
    arguments = {
        "input_ids": given["input_ids"],
        "token_type_ids": given["token_type_ids"],
        "attention_mask": given["example_ids"],
        "labels": labels,
        "next_sentence_label": given["next_sentence_labels"].long(),
    }

    run = torch.compile(model) if case.compiled else model
    half = torch.autocast(device, torch.bfloat16, enabled=case.dtype == "bfloat16")

    def train() -> object:
        with half:
            loss = run(**arguments).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    @torch.no_grad()
    def forward() -> object:
        with half:
            return float(run(**arguments).loss)

    return train, forward


def _sizes(case: Case) -> dict[str, int]:
    """``transformers``' names of what ``TINY`` sets."""
    if not case.tiny:
        return {}
    return {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}


def kerashub_steps(name: str, case: Case) -> tuple[Run, Run]:
    import keras
    import keras_hub
    import tensorflow as tf

    layers, heads, hidden, inner = (2, 2, 128, 512) if case.tiny else (12, 12, 768, 3072)
    keras.config.set_dtype_policy("mixed_bfloat16" if case.dtype == "bfloat16" else case.dtype)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=hidden,
        intermediate_dim=inner,
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
        jit_compile=case.compiled,
    )
    given = batch(case)
    features = {
        "token_ids": tf.constant(given["input_ids"]),
        "segment_ids": tf.constant(given["token_type_ids"]),
        "padding_mask": tf.constant(given["example_ids"]),
        "mask_positions": tf.constant(given["masked_positions"]),
    }
    labels = tf.constant(given["masked_ids"])
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=case.compiled)
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
        serve({"train": train, "forward": forward, **products(sys.argv[1])})


if __name__ == "__main__":
    main()
