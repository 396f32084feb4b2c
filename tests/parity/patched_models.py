"""Defects patched into a built model of one framework, and of one dtype where that is what a test is about.

Patches of the source (``mutations.py``) reach every model of a framework, its float64 one too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


def constant_through_float32(path: str, value: float) -> Callable:
    return scaled(path, float(np.float32(value)) / value)


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
    ("loss weights ignored", weights_ignored),
    ("a smoothed loss", attribute("masked_lm_loss", "label_smoothing", 1e-3)),
    ("an untied head", untied),
)


MUTATIONS = [Mutation(name, framework, apply) for name, apply in BOTH for framework in ("torch", "tf")]
