"""``first_step.py NAME FOLDER``: train BERT-base as one way's users do, and be gone after the first step.

``torch`` and ``tf`` are ``zoo train``; ``transformers`` is its ``Trainer``, ``kerashub`` Keras' ``fit``. All have
drawn examples of one shape in memory, 8 rows of 128 tokens with 20 predictions a step, no dropout, AdamW and
clipping.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
STEPS = 4
"""Of a run that ends with its first."""


def main() -> None:
    name, folder = sys.argv[1:]
    {"torch": zoo, "tf": zoo, "transformers": trainer, "kerashub": fit}[name](name, folder)


def leave(*_: object, **__: object) -> None:
    """At once, without what a process tidies up."""
    sys.stdout.flush()
    os._exit(0)


def zoo(framework: str, folder: str) -> None:
    from zoo_common.cli.main import main as command
    from zoo_common.training import loop

    train_on = loop.train_on

    def first(*given, **named):
        float(train_on(*given, **named).result.loss)
        leave()

    loop.train_on = first
    settings = [
        "model.dropout=0.0",
        "model.attention_dropout=0.0",
        "data.kind=generated",
        "data.sequence_length=128",
        "data.max_predictions=20",
        "training.batch_size=8",
        "training.micro_batch_size=null",
        f"training.steps={STEPS}",
        "training.schedule=constant",
    ]
    arguments = [
        "train",
        "--framework",
        framework,
        "--spec",
        "bert_base",
        "--run-dir",
        f"{folder}/{os.getpid()}",
        "--device",
        "cpu",
    ]
    sys.argv[1:] = [*arguments, *(part for value in settings for part in ("--set", value))]
    command()


def trainer(_: str, folder: str) -> None:
    import torch
    import transformers

    config = transformers.BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    ids = torch.randint(5, config.vocab_size, (8 * STEPS, 128))
    labels = torch.where(torch.rand(ids.shape) < 20 / 128, ids, -100)
    examples = [
        {"input_ids": row, "labels": wanted, "next_sentence_label": torch.tensor(0)}
        for row, wanted in zip(ids, labels, strict=True)
    ]

    class Leave(transformers.TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            leave()

    arguments = transformers.TrainingArguments(
        folder,
        per_device_train_batch_size=8,
        max_steps=STEPS,
        learning_rate=1e-4,
        weight_decay=0.01,
        adam_epsilon=1e-6,
        max_grad_norm=1.0,
        report_to="none",
        use_cpu=True,
    )
    transformers.Trainer(
        transformers.BertForPreTraining(config), arguments, train_dataset=examples, callbacks=[Leave()]
    ).train()


def fit(_: str, folder: str) -> None:
    import keras
    from family_steps import Case
    from family_steps.bert import kerashub_features, kerashub_model

    case = Case()
    given = case.batch(8 * STEPS)
    model = kerashub_model(case)
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-4, weight_decay=0.01, epsilon=1e-6, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    end = keras.callbacks.LambdaCallback(on_train_batch_end=leave)
    model.fit(kerashub_features(given), given["masked_ids"], batch_size=8, verbose=0, callbacks=[end])


if __name__ == "__main__":
    main()
