"""Defects planted into a built model of one framework, to test the parity suite itself.

Each is patched in from outside; the suite knows none of them. ``python tests/parity/mutations.py`` prints which
level caught which, ``--write FILE`` writes it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_common.parity.results import ParityReport
from zoo_common.parity.suite import run_parity
from zoo_spec import load_spec
from zoo_spec.shrink import shrunk

Change = Callable[[Callable], Callable]


def block(backend, path):
    """The native block at a canonical path."""
    if backend.name == "torch":
        return backend.model.get_submodule(path)
    from zoo_tf.blocks.base import named_layers

    return dict(named_layers(backend.model))[path]


def rewire(backend, path: str, change: Change) -> None:
    """Replace what a block computes by what ``change`` makes of it."""
    target = block(backend, path)
    name = "forward" if backend.name == "torch" else "call"
    object.__setattr__(target, name, change(getattr(target, name)))


def attribute(path: str, name: str, value) -> Callable:
    def apply(backend):
        object.__setattr__(block(backend, path), name, value)

    return apply


def rewired(path: str, change: Change) -> Callable:
    return lambda backend: rewire(backend, path, change)


def other_activation(path: str, kind: str) -> Callable:
    def apply(backend):
        from zoo_spec.blocks.activation import activation

        if backend.name == "torch":
            from zoo_torch.blocks.base import build
        else:
            from zoo_tf.blocks.build import build
        parent, _, leaf = path.rpartition(".")
        replacement = build(activation(kind), {})
        if backend.name == "torch":
            setattr(block(backend, parent), leaf, replacement)
        else:
            import keras

            before = keras.config.dtype_policy()
            keras.config.set_dtype_policy(backend.dtype)
            object.__setattr__(block(backend, parent), leaf, build(activation(kind), {}))
            keras.config.set_dtype_policy(before)

    return apply


def epsilon(path: str, value: float) -> Callable:
    return lambda backend: attribute(path, "eps" if backend.name == "torch" else "epsilon", value)(backend)


def transposed_kernel(path: str) -> Callable:
    def apply(backend):
        if backend.name == "torch":
            import torch.nn.functional as F

            dense = block(backend, path)
            dense.forward = lambda x: F.linear(x, dense.weight.T.to(x.dtype), dense.bias.to(x.dtype))
        else:
            import tensorflow as tf

            dense = block(backend, path)
            object.__setattr__(
                dense,
                "call",
                lambda x: tf.einsum("btd,ed->bte", x, tf.convert_to_tensor(dense.kernel)) + dense.bias,
            )

    return apply


def dropped_bias(path: str) -> Callable:
    return rewired(path, lambda original: lambda x: original(x) - original(0 * x))


def skipped(path: str) -> Callable:
    return rewired(path, lambda original: lambda x, **_: x)


def scaled(path: str, factor: float) -> Callable:
    return rewired(path, lambda original: lambda *args, **kwargs: original(*args, **kwargs) * factor)


def without(path: str, *ports: str) -> Callable:
    """Forget optional inputs."""

    def change(original):
        return lambda *args, **kwargs: original(*args, **{k: v for k, v in kwargs.items() if k not in ports})

    return rewired(path, change)


def stop_gradient(path: str) -> Callable:
    def apply(backend):
        if backend.name == "torch":
            rewire(
                backend, path, lambda original: lambda *args: original(*args).detach() + 0 * original(*args)
            )
        else:
            import tensorflow as tf

            rewire(
                backend,
                path,
                lambda original: lambda *args: tf.stop_gradient(original(*args)) + 0 * original(*args),
            )

    return apply


def untied(backend) -> None:
    """The head reads a copy of the table: the same outputs, and a part of the table's gradient is lost."""
    if backend.name == "torch":
        rewire(backend, "masked_lm", lambda original: lambda x, table, at: original(x, table.detach(), at))
    else:
        import tensorflow as tf

        rewire(
            backend,
            "masked_lm",
            lambda original: lambda x, table, at: original(x, tf.stop_gradient(table), at),
        )


def weights_ignored(backend) -> None:
    rewire(
        backend, "masked_lm_loss", lambda original: lambda logits, labels, weights: original(logits, labels)
    )


def reduced_precision(path: str) -> Callable:
    """bfloat16 under the name of float32."""

    def apply(backend):
        if backend.name == "torch":
            import torch

            if backend.dtype == torch.float32:
                rewire(
                    backend, path, lambda original: lambda x: original(x).to(torch.bfloat16).to(torch.float32)
                )
        elif backend.dtype == "float32":
            import tensorflow as tf

            rewire(
                backend,
                path,
                lambda original: lambda x: tf.cast(tf.cast(original(x), tf.bfloat16), tf.float32),
            )

    return apply


def constant_through_float32(path: str, value: float) -> Callable:
    return scaled(path, float(np.float32(value)) / value)


def other_seed(backend) -> None:
    """One weight drawn under another seed."""
    name = next(iter(backend.graph.parameters()))
    parameter = backend.graph.parameters()[name]
    state = backend.export_state().weights
    backend.set_weights({**state, name: parameter.initializer.draw(99, name, parameter.shape)})


def optimizer_constant(torch_key: str, keras_key: str, value) -> Callable:
    def apply(backend):
        if backend.name == "torch":
            for group in backend.optimizer.native.param_groups:
                before = group[torch_key]
                group[torch_key] = value(before)
        else:
            native = backend.optimizer.native
            setattr(native, keras_key, value(getattr(native, keras_key)))

    return apply


def second_beta(backend) -> None:
    if backend.name == "torch":
        for group in backend.optimizer.native.param_groups:
            group["betas"] = (group["betas"][0], 0.99)
    else:
        backend.optimizer.native.beta_2 = 0.99


def decay_on_norms(backend) -> None:
    if backend.name == "torch":
        for group in backend.optimizer.native.param_groups:
            group["weight_decay"] = 0.01
    else:
        backend.optimizer.native._exclude_from_weight_decay_variables = set()
        backend.optimizer.native._exclude_from_weight_decay_cache = {}
        object.__setattr__(backend.optimizer.native, "_use_weight_decay", lambda variable: True)


def no_clipping(backend) -> None:
    backend.optimizer.max_gradient_norm = None


def forgotten_step(backend) -> None:
    """A resumed run starts its bias corrections anew."""
    original = backend.import_state

    def import_state(state):
        original(type(state)(state.weights, state.optimizer, 0))

    backend.import_state = import_state


def swapped_moments(backend) -> None:
    original = backend.export_state

    def export_state():
        state = original()
        swap = {"first_moment": "second_moment", "second_moment": "first_moment"}
        slots = {
            f"{key.rpartition('/')[0]}/{swap[key.rpartition('/')[2]]}": value
            for key, value in state.optimizer.items()
        }
        return type(state)(state.weights, slots, state.step)

    backend.export_state = export_state


def other_rate(backend) -> None:
    """The rate of a schedule that is one per cent off."""
    original = backend.train_step
    backend.train_step = lambda micro, divisors, rate: original(micro, divisors, rate * 1.01)


def no_dropout(backend) -> None:
    if backend.name == "torch":
        for path, module in backend.model.named_modules():
            if path.endswith("dropout"):
                module.rate = 0.0
    else:
        from zoo_tf.blocks.base import named_layers

        for path, layer in named_layers(backend.model):
            if path.endswith("dropout"):
                layer.rate = 0.0


def each_micro_batch_alone(backend) -> None:
    """Each micro-batch divided by its own denominator and then averaged."""
    original = backend.train_step
    backend.train_step = lambda micro, divisors, rate: original(micro, None, rate)


@dataclass(frozen=True)
class Mutation:
    name: str
    framework: str
    apply: Callable


LAYER = "encoder.layers.1"
BOTH: tuple[tuple[str, Callable], ...] = (
    ("GELU tanh for erf in one layer", other_activation(f"{LAYER}.feed_forward.activation", "gelu_tanh")),
    ("epsilon 1e-5 for 1e-12 in one norm", epsilon(f"{LAYER}.attention_norm", 1e-5)),
    ("a transposed kernel", transposed_kernel(f"{LAYER}.attention.query")),
    ("a dropped bias", dropped_bias(f"{LAYER}.feed_forward.inner")),
    ("a skipped layer", skipped(LAYER)),
    ("attention scaled wrongly", scaled(f"{LAYER}.attention.query", 1 / math.sqrt(8))),
    ("padding and packing ignored", without(f"{LAYER}.attention", "example_ids")),
    ("positions of packed examples ignored", without("embeddings.position", "positions")),
    ("token types ignored", without("embeddings", "token_type_ids")),
    ("causal for bidirectional attention", attribute(f"{LAYER}.attention", "causal", True)),
    ("the second token pooled", rewired("pooler", lambda original: lambda x, **kw: original(x[:, 1:], **kw))),
    ("a constant that passed through float32", constant_through_float32(f"{LAYER}.feed_forward.outer", 0.1)),
    ("bfloat16 under the name of float32", reduced_precision(f"{LAYER}.attention.value")),
    ("loss weights ignored", weights_ignored),
    ("a smoothed loss", attribute("masked_lm_loss", "label_smoothing", 1e-3)),
    ("an untied head", untied),
    ("a gradient stopped", stop_gradient(f"{LAYER}.feed_forward.inner")),
    ("one weight of another seed", other_seed),
    ("the optimizer's epsilon 1e-8 for 1e-6", optimizer_constant("eps", "epsilon", lambda before: 1e-8)),
    ("the second beta 0.99 for 0.999", second_beta),
    ("decay on norms and biases", decay_on_norms),
    ("no clipping", no_clipping),
    ("a rate one per cent off", other_rate),
    ("no dropout in training", no_dropout),
    ("micro-batches averaged", each_micro_batch_alone),
    ("the step forgotten on resuming", forgotten_step),
    ("moments swapped in the checkpoint", swapped_moments),
)


MUTATIONS = [Mutation(name, framework, apply) for name, apply in BOTH for framework in ("torch", "tf")]


def run(mutation: Mutation | None) -> ParityReport:
    """The suite on a small BERT, one framework's models mutated; it stops at the first level that fails."""
    spec = shrunk(load_spec("bert_base", ["training.optimizer.learning_rate=1e-3"]))

    def prepare(backend):
        if mutation is not None and backend.name == mutation.framework:
            mutation.apply(backend)

    return run_parity(spec, steps=25, prepare=prepare)


def caught_by(report: ParityReport) -> str:
    """The level and dtype that failed, and by how much."""
    last = report.levels[-1]
    return "not caught" if report.passed else f"{last.level} ({last.dtype})"


def table() -> str:
    """Which level caught which mutation, as Markdown."""
    clean = run(None)
    rows = {}
    for mutation in MUTATIONS:
        report = run(mutation)
        last = report.levels[-1]
        value = (
            "—"
            if report.passed
            else f"{last.value:.0e} > {last.limit:.0e}"
            if last.value > last.limit
            else last.detail
        )
        rows.setdefault(mutation.name, {})[mutation.framework] = (caught_by(report), value)
        print(f"{mutation.name} ({mutation.framework}): {caught_by(report)} {value}", flush=True)
    caught = sum(entry[0] != "not caught" for row in rows.values() for entry in row.values())
    lines = [
        "# Mutations",
        "",
        "Defects planted into a built model of one framework, and the first level of the parity suite that caught",
        "each; made by `make mutations`. The suite's code knows none of them.",
        "",
        f"{caught} of {len(MUTATIONS)} caught; without a mutation the suite {'passes' if clean.passed else 'FAILS'}.",
        "",
        "| planted | in torch | in TensorFlow |",
        "| --- | --- | --- |",
        *(f"| {name} | {row['torch'][0]} | {row['tf'][0]} |" for name, row in rows.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    text = table()
    print(text)
    arguments = parser.parse_args()
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8", newline="\n")
