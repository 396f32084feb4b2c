"""Blocks forward and backward: each gives its outputs, and what turns their gradients into those of its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from zoo_common.backend import Array, BlockCall, Weights
from zoo_spec.blocks import activation, dense, heads, losses, reshape
from zoo_spec.blocks.base import Block
from zoo_spec.errors import EnvironmentFault
from zoo_spec.plugins import no_half

Values = dict[str, Array]
"""By port, or by output."""


@dataclass(frozen=True)
class Ran:
    """A block's outputs, and from their gradients those of its ports; those of weights go into ``Seat.gradients``."""

    gave: Values
    back: Callable[[Values], Values]


@dataclass(frozen=True)
class Seat:
    """A block's place in a model: its path, all weights, all gradients so far, and the log of what ran."""

    path: str
    weights: Weights
    gradients: Weights
    calls: list[BlockCall]

    def weight(self, leaf: str) -> Array | None:
        """One of the block's own weights, or None."""
        return self.weights.get(f"{self.path}.{leaf}")

    def add(self, leaf: str, gradient: Array) -> None:
        """What a weight moves the loss by."""
        name = f"{self.path}.{leaf}"
        self.gradients[name] = self.gradients.get(name, 0) + gradient

    def run(self, block: Block, given: Values, child: str = "") -> Ran:
        """Run this block, or the one inside it of this name, and log that."""
        seat = self if not child else Seat(f"{self.path}.{child}", self.weights, self.gradients, self.calls)
        ran = run(block, seat, given)
        named = ran.gave if len(ran.gave) > 1 else {"": next(iter(ran.gave.values()))}
        required = tuple(given[port] for port in block.required)
        optional = {port: value for port, value in given.items() if port not in block.required}
        self.calls.append(BlockCall(seat.path, required, optional, named))
        return ran


@singledispatch
def run(block: Block, seat: Seat, given: Values) -> Ran:
    """A block on these inputs; a plugin registers its own with ``@run.register``, in ``zoo.plugins.numpy``."""
    raise no_half("numpy", block.kind)


def require_half(block: Block) -> None:
    """Raise EnvironmentFault for a block that cannot be run."""
    if run.dispatch(type(block)) is run.dispatch(object):
        raise no_half("numpy", block.kind)
    if getattr(block, "dropout", 0):
        raise EnvironmentFault(f"the NumPy backend has no dropout, and {block.kind} asks for it")


@run.register
def _flatten(block: reshape.Flatten, seat: Seat, given: Values) -> Ran:
    x = given["x"]
    return Ran({"x": x.reshape(len(x), -1)}, lambda gradients: {"x": gradients["x"].reshape(x.shape)})


@run.register
def _dense(block: dense.Dense, seat: Seat, given: Values) -> Ran:
    x, weight, bias = given["x"], seat.weight("weight"), seat.weight("bias")
    assert weight is not None
    y = x @ weight.T

    def back(gradients: Values) -> Values:
        g = gradients["x"]
        flat = g.reshape(-1, g.shape[-1])
        seat.add("weight", flat.T @ x.reshape(-1, x.shape[-1]))
        if bias is not None:
            seat.add("bias", flat.sum(0))
        return {"x": g @ weight}

    return Ran({"x": y if bias is None else y + bias}, back)


@run.register
def _relu(block: activation.Relu, seat: Seat, given: Values) -> Ran:
    x = given["x"]
    return Ran({"x": np.maximum(x, 0)}, lambda gradients: {"x": gradients["x"] * (x > 0)})


@run.register
def _classifier_head(block: heads.ClassifierHead, seat: Seat, given: Values) -> Ran:
    inside = dense.Dense(size=block.classes, bias=block.bias)
    ran = seat.run(inside, given, "dense")
    return Ran({"logits": ran.gave["x"]}, lambda gradients: ran.back({"x": gradients["logits"]}))


@run.register
def _softmax_cross_entropy(block: losses.SoftmaxCrossEntropy, seat: Seat, given: Values) -> Ran:
    logits = given["logits"].reshape(-1, given["logits"].shape[-1])
    labels = given["labels"].reshape(-1)
    weights = np.asarray(given.get("weights", np.ones_like(logits[:, 0])), logits.dtype).reshape(-1)
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    wanted = np.full_like(log_p, block.label_smoothing / log_p.shape[-1])
    wanted[np.arange(len(labels)), labels] += 1 - block.label_smoothing
    numerator = (weights * -(wanted * log_p).sum(-1)).sum()
    denominator = weights.sum()
    ratio = 1 / (denominator or math.inf)

    def back(gradients: Values) -> Values:
        g = gradients.get("numerator", 0) + gradients.get("loss", 0) * ratio
        return {"logits": (g * weights[:, None] * (np.exp(log_p) - wanted)).reshape(given["logits"].shape)}

    return Ran({"loss": numerator * ratio, "numerator": numerator, "denominator": denominator}, back)
