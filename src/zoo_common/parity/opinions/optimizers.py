"""A third opinion on an optimizer's step, by the formulas of ``zoo_spec.training.optimizers``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import singledispatch

import numpy as np

from zoo_common.backend import State, Weights
from zoo_common.parity.opinions.base import Floats, NoOpinionError
from zoo_spec.training import optimizers as specs


def advance(
    spec: specs.Optimizer,
    state: State,
    gradients: Weights,
    roles: Mapping[str, str],
    rate: float,
    factors: Mapping[str, float],
) -> State:
    """The state after one step with these gradients; raises NoOpinionError for a kind that has no NumPy form here.

    ``roles`` are those of the model's parameters, ``factors`` what the rate of each that is trained is multiplied by;
    the others stay.
    """
    given = {name: np.asarray(gradients[name], np.float64) for name in factors}
    norm = math.sqrt(sum(float(np.sum(value * value)) for value in given.values()))
    limit = spec.max_gradient_norm
    scale = 1.0 if limit is None else limit / max(norm, limit)
    decays = spec.decay_mask(roles)
    weights, moments = dict(state.weights), dict(state.optimizer)
    for name, gradient in given.items():
        own = {moment: np.asarray(moments[f"{name}/{moment}"], np.float64) for moment in spec.moments}
        own_rate = rate * factors[name]
        change, moved = update(spec, own, gradient * scale, own_rate, state.step + 1)
        kept = 1.0 - own_rate * spec.weight_decay if decays[name] else 1.0
        weights[name] = np.asarray(state.weights[name], np.float64) * kept - change
        moments |= {f"{name}/{moment}": value for moment, value in moved.items()}
    return State(weights, moments, state.step + 1)


@singledispatch
def update(
    spec: specs.Optimizer, moments: Mapping[str, Floats], gradient: Floats, rate: float, step: int
) -> tuple[Floats, dict[str, Floats]]:
    """What is taken from a parameter at ``step``, counted from 1, and its moments after it."""
    raise NoOpinionError(spec.kind)


@update.register
def _sgd(
    spec: specs.Sgd, moments: Mapping[str, Floats], gradient: Floats, rate: float, step: int
) -> tuple[Floats, dict[str, Floats]]:
    if not spec.momentum:
        return rate * gradient, {}
    buffer = spec.momentum * moments["momentum"] + gradient
    change = gradient + spec.momentum * buffer if spec.nesterov else buffer
    return rate * change, {"momentum": buffer}


@update.register
def _adamw(
    spec: specs.AdamW, moments: Mapping[str, Floats], gradient: Floats, rate: float, step: int
) -> tuple[Floats, dict[str, Floats]]:
    first = moments["first_moment"] + (1 - spec.beta_1) * (gradient - moments["first_moment"])
    second = spec.beta_2 * moments["second_moment"] + (1 - spec.beta_2) * gradient**2
    root = np.sqrt(second) / math.sqrt(1 - spec.beta_2**step) + spec.epsilon
    return rate / (1 - spec.beta_1**step) * first / root, {"first_moment": first, "second_moment": second}
