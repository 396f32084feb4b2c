"""Optimizers as specs: every constant on which the frameworks disagree has a field or is fixed here.

Both frameworks follow one order: the global norm of all gradients; their scaling by ``max_gradient_norm /
max(norm, max_gradient_norm)``; the decay ``p *= 1 - rate * weight_decay`` of the parameters that decay; the
update. State is kept by ``<canonical parameter name>/<moment>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, model_validator

from zoo_spec.base import NonNegativeFloat, PositiveFloat, Rate
from zoo_spec.errors import InputError, SpecError
from zoo_spec.parameters import Role
from zoo_spec.registry import Registered

BIASES_AND_NORMS: tuple[Role, ...] = ("bias", "norm")


def listed(value: object) -> object:
    """A YAML list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


class Optimizer(Registered):
    """Base of all optimizers."""

    role: ClassVar[str] = "optimizer"
    shipped_in: ClassVar[str] = "zoo_spec.training.optimizers"
    elementwise: ClassVar[bool] = False
    """Whether a value's update reads nothing of its tensor but that value: parts of one can then be updated apart."""
    learning_rate: PositiveFloat
    """The base rate, which the schedule scales step by step."""
    weight_decay: NonNegativeFloat
    """Decoupled decay: each step, before its update, a parameter is multiplied by 1 - rate * weight_decay."""
    no_decay: Annotated[tuple[Role, ...], BeforeValidator(listed)] = BIASES_AND_NORMS
    """Roles of parameters that do not decay. The default covers whichever of biases and norms a model has;
    in any other list each role must match a parameter."""
    max_gradient_norm: PositiveFloat | None = None
    """Gradients of a larger global norm are scaled down to it, without torch's 1e-6; None: never."""

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of what is kept for each parameter, each of the parameter's own shape and dtype."""
        raise TypeError(f"optimizer {self.kind!r} does not say its moments")

    def decay_mask(self, roles: Mapping[str, str]) -> dict[str, bool]:
        """Which parameters decay, from each parameter's role; SpecError where a rule matches none of them."""
        present = set(roles.values())
        unmatched = [role for role in self.no_decay if role not in present]
        if unmatched and self.no_decay != BIASES_AND_NORMS:
            raise SpecError(
                f"no_decay names {', '.join(unmatched)}, but the model's parameters have only the roles "
                f"{', '.join(sorted(present))}; take out what matches nothing"
            )
        return {name: self.weight_decay > 0 and role not in self.no_decay for name, role in roles.items()}


class Sgd(Optimizer):
    """Stochastic gradient descent in torch's form: ``buffer = momentum * buffer + g; p -= rate * buffer``.

    Keras folds the rate into its velocity, which differs once the rate changes. The decay is decoupled, as
    in Keras; ``torch.optim.SGD`` would add ``weight_decay * p`` to the gradient, where the momentum keeps it.
    """

    kind: Literal["sgd"] = "sgd"
    elementwise: ClassVar[bool] = True
    learning_rate: PositiveFloat = 0.01
    """The base rate (Keras' default; torch's is 0.001)."""
    momentum: Rate = 0.0
    """Part of the buffer that is kept each step; 0 keeps no buffer. There is no dampening."""
    nesterov: bool = False
    """Update by ``g + momentum * buffer`` instead of ``buffer``; needs a momentum."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled decay: each step, before its update, a parameter is multiplied by 1 - rate * weight_decay."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is true, but momentum is 0; give a momentum such as 0.9")
        return self

    @property
    def moments(self) -> tuple[str, ...]:
        """The momentum buffer, if there is a momentum."""
        return ("momentum",) if self.momentum else ()


class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter, 2019) in torch's form, its bias corrections in float64.

    At step t, counted from 1: ``m += (1 - beta_1) (g - m)``; ``v = beta_2 v + (1 - beta_2) g^2``;
    ``p -= rate / (1 - beta_1^t) * m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon)``. Keras adds its epsilon
    before the second correction, which makes it some 30 times larger at the first step.
    """

    kind: Literal["adamw"] = "adamw"
    elementwise: ClassVar[bool] = True
    learning_rate: PositiveFloat = 1e-4
    """The base rate (torch's and Keras' default is 0.001)."""
    beta_1: Rate = 0.9
    """Part of the first moment that is kept each step."""
    beta_2: Rate = 0.999
    """Part of the second moment that is kept each step."""
    epsilon: PositiveFloat = 1e-8
    """Added to the corrected root of the second moment (torch's default; Keras' is 1e-7, BERT's 1e-6)."""
    weight_decay: NonNegativeFloat = 0.01
    """Decoupled decay: each step, before its update, a parameter is multiplied by 1 - rate * weight_decay
    (torch's default; Keras' is 0.004)."""
    max_gradient_norm: PositiveFloat | None = 1.0
    """Gradients of a larger global norm are scaled down to it, without torch's 1e-6; None: never."""

    @property
    def moments(self) -> tuple[str, ...]:
        """The two moments."""
        return ("first_moment", "second_moment")


def check_state(wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> None:
    """Raise InputError, with every difference, unless names and shapes of optimizer state are the same."""
    problems = [f"{name} is missing" for name in wanted if name not in given]
    problems += [f"{name} is unknown" for name in given if name not in wanted]
    problems += [
        f"{name} has shape {list(given[name])} instead of {list(shape)}"
        for name, shape in wanted.items()
        if name in given and tuple(given[name]) != tuple(shape)
    ]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(
            f"the optimizer state is not this model's and optimizer's: {'; '.join(problems[:5])}{more}"
        )
