"""Optimizer specs as torch's own optimizers, by canonical names: gradients in, norm out, neutral state.

``zoo_spec.training.optimizers`` has the formulas and the order of a step. ``torch.optim`` follows them but for the
decay of SGD, which a hook does instead.
"""

from __future__ import annotations

import inspect
import mmap
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo_common.weights import as_source
from zoo_spec.errors import EnvironmentFault
from zoo_spec.training import optimizers as specs

ADAMW_MOMENTS = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}
SGD_MOMENTS = {"momentum": "momentum_buffer"}
"""Neutral moment name -> torch's key in an optimizer's state."""

ROW = 1 << 10
"""Values whose squares a CPU adds up in one go: eight or more sums side by side, of some sixty squares each."""

Native = torch.optim.Optimizer
Groups = list[dict[str, Any]]


def eager(kind: type[Native]) -> type[Native]:
    """``kind`` without torch's decorators, which load torch._dynamo (a second) although no optimizer is compiled."""
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad")}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(inspect.unwrap(kind.step))})


AdamW, SGD = eager(torch.optim.AdamW), eager(torch.optim.SGD)


def make_optimizer(
    spec: specs.Optimizer,
    named_parameters: Mapping[str, Tensor],
    roles: Mapping[str, str],
    factors: Mapping[str, float] | None = None,
) -> Optimizer:
    """The optimizer for these parameters; ``roles`` has the model's roles by canonical name.

    ``factors`` multiply the rate of these parameters, decay included. Raises SpecError where ``no_decay`` names a
    role that no parameter has.
    """
    return Rule(spec, roles, factors).over(named_parameters)


class Rule:
    """What a spec does to each parameter of a model, for an optimizer over all of them or over a few at a time."""

    def __init__(
        self, spec: specs.Optimizer, roles: Mapping[str, str], factors: Mapping[str, float] | None = None
    ) -> None:
        """As ``make_optimizer``."""
        self.spec = spec
        self._decays = spec.decay_mask(roles)
        self._factors = factors or {}

    @property
    def is_elementwise(self) -> bool:
        """Whether each value's update needs nothing of the others, so that a part of a tensor has its own."""
        return self.spec.elementwise

    def over(
        self, named_parameters: Mapping[str, Tensor], state: Mapping[str, Tensor] | None = None
    ) -> Optimizer:
        """An optimizer whose moments are the tensors of ``state``, by ``<name>/<moment>``; None: new ones."""
        found: dict[tuple[bool, float], list[Tensor]] = {}
        for name, parameter in named_parameters.items():
            key = not self._decays[name], self._factors.get(name, 1.0)
            found.setdefault(key, []).append(parameter)
        groups = [
            {"params": found[key], "decay": 0.0 if key[0] else self.spec.weight_decay, "factor": key[1]}
            for key in sorted(found)
        ]
        native, moments = make_native(self.spec, groups)
        return Optimizer(native, named_parameters, moments, self.spec.max_gradient_norm, state)


class Optimizer:
    """A torch optimizer over named parameters, with clipping by global norm and neutral state.

    ``native`` is torch's own; ``moments`` maps neutral moment names to the keys of its state.
    """

    def __init__(
        self,
        native: Native,
        named_parameters: Mapping[str, Tensor],
        moments: Mapping[str, str],
        max_gradient_norm: float | None,
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        """``state`` as of ``Rule.over``."""
        self.native = native
        self.parameters = dict(named_parameters)
        self.moments = dict(moments)
        self.max_gradient_norm = max_gradient_norm
        self.norm = global_norm
        self._step = 0
        for name, parameter in self.parameters.items():
            # All but the step, which SGD has no use for, is in the parameter's dtype.
            native.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                **{
                    key: torch.zeros_like(parameter) if state is None else state[f"{name}/{moment}"]
                    for moment, key in moments.items()
                },
            }

    def apply(self, gradients: Mapping[str, Tensor | None], rate: float) -> Tensor:
        """Update every parameter; returns the global norm before clipping, a scalar of the gradients' dtype.

        ``gradients`` has every parameter's name; None (the loss does not reach it) counts as zeros. A
        gradient that stands in its parameter's ``grad`` is used up, any other is left as it is. If the norm
        is not finite, the parameters are lost: the caller looks at it and stops without saving them.
        """
        kept = [set_gradient(parameter, gradients[name]) for name, parameter in self.parameters.items()]
        norm = self.norm([parameter.grad for parameter in self.parameters.values()])
        scale = None if self.max_gradient_norm is None else clipping(norm, self.max_gradient_norm)
        if scale is not None and not is_one(scale):
            own = []
            for (name, parameter), keep in zip(self.parameters.items(), kept, strict=True):
                if keep:
                    parameter.grad = parameter.grad * scale
                elif is_sparse(gradients[name]):
                    parameter.grad[gradients[name]._indices()[0]] *= scale
                else:
                    own.append(parameter.grad)
            if own:
                torch._foreach_mul_(own, scale)  # A few kernels on a GPU, in the place of one a tensor.
        self.update(rate)
        return norm

    def update(self, rate: float) -> None:
        """Update every parameter by its ``grad``, which is used up, with no regard to the norm."""
        for group in self.native.param_groups:
            group["lr"] = float(rate) * group["factor"]
        self.native.step()
        self.native.zero_grad(set_to_none=True)
        self._step += 1

    @property
    def step(self) -> int:
        """Number of updates made; settable, for it is no part of ``state``."""
        return self._step

    @step.setter
    def step(self, step: int) -> None:
        self._step = step
        for state in self.native.state.values():
            state["step"].fill_(step)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all moments by ``<canonical name>/<moment>``, in torch's layout."""
        return {
            f"{name}/{moment}": np.array(self.native.state[parameter][key].detach().cpu().numpy())
            for name, parameter in self.parameters.items()
            for moment, key in self.moments.items()
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what either framework's ``state`` gave; InputError unless it has every moment in its shape."""
        source = as_source(state)
        specs.check_state(self._shapes(), {key: entry.shape for key, entry in source.entries.items()})
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                for moment, key in self.moments.items():
                    values = np.asarray(source.read(f"{name}/{moment}"), order="C")
                    self.native.state[parameter][key].copy_(torch.from_numpy(values))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every moment in torch's layout."""
        return {
            f"{name}/{moment}": tuple(parameter.shape)
            for name, parameter in self.parameters.items()
            for moment in self.moments
        }


def global_norm(gradients: Sequence[Tensor]) -> Tensor:
    """The root of the sum of all squares, in the gradients' dtype."""
    return norm_of(norm_parts(gradients))


def norm_parts(gradients: Sequence[Tensor]) -> list[Tensor]:
    """What each tensor brings to ``norm_of`` all: the sum of its squares, in its dtype; on a GPU the root of that.

    ``torch.nn.utils.get_total_norm`` adds the squares of a float32 tensor on the CPU one after the other: over
    BERT-base's 23 million embedding values that is off by 1.3e-3, where a pairwise sum is by 2e-8. A GPU adds them
    pairwise, and all tensors' in a few kernels, of which there are otherwise two a tensor.
    """
    if gradients and gradients[0].device.type != "cpu":
        return list(torch._foreach_norm(gradients))
    return [sum_of_squares(gradient) for gradient in gradients]


def sum_of_squares(gradient: Tensor) -> Tensor:
    """Row by row, and then pairwise: one pass over memory, in which squares are written nowhere."""
    if gradient.numel() < ROW or gradient.device.type != "cpu":
        return (gradient * gradient).sum()
    flat = gradient.reshape(-1)
    whole = len(flat) - len(flat) % ROW
    rows, rest = torch.linalg.vector_norm(flat[:whole].view(-1, ROW), dim=1), flat[whole:]
    return (rows * rows).sum() + (rest * rest).sum()


def norm_of(parts: Sequence[Tensor]) -> Tensor:
    """The root of the sum of all squares, of what ``norm_parts`` gave, in the model's order."""
    if parts[0].device.type != "cpu":
        return torch.linalg.vector_norm(torch.stack(list(parts)))
    return torch.stack(list(parts)).sum().sqrt()


def clipping(norm: Tensor, most: float) -> Tensor:
    """What gradients of this global norm are multiplied by."""
    return most / norm.clamp(min=most)


def is_one(scale: Tensor) -> bool:
    """Whether it is known that nothing changes by it; a GPU is not waited for."""
    return scale.device.type == "cpu" and bool(scale == 1)


@singledispatch
def make_native(spec: specs.Optimizer, groups: Groups) -> tuple[Native, dict[str, str]]:
    """torch's optimizer over parameter groups, each with its ``decay``, and the keys of its moments."""
    raise EnvironmentFault(f"optimizer {spec.kind!r} has no torch form; register one with make_native")


@make_native.register
def _sgd(spec: specs.Sgd, groups: Groups) -> tuple[Native, dict[str, str]]:
    native = SGD(
        groups, lr=spec.learning_rate, momentum=spec.momentum, nesterov=spec.nesterov, weight_decay=0.0
    )
    native.register_step_pre_hook(_decay)
    return native, {moment: SGD_MOMENTS[moment] for moment in spec.moments}


@make_native.register
def _adamw(spec: specs.AdamW, groups: Groups) -> tuple[Native, dict[str, str]]:
    native = AdamW(
        [{**group, "weight_decay": group["decay"]} for group in groups],
        lr=spec.learning_rate,
        betas=(spec.beta_1, spec.beta_2),
        eps=spec.epsilon,
        fused=True,
    )
    return native, {moment: ADAMW_MOMENTS[moment] for moment in spec.moments}


@torch.no_grad()
def _decay(native: Native, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """``p *= 1 - rate * decay`` before SGD's step; its own weight_decay would be added to the gradient."""
    for group in native.param_groups:
        if group["decay"]:
            for parameter in group["params"]:
                parameter.mul_(1.0 - group["lr"] * group["decay"])


def set_gradient(parameter: Tensor, gradient: Tensor | None) -> bool:
    """Make ``gradient`` the parameter's; True if it is still the caller's and must not be written to."""
    if gradient is None:
        parameter.grad = torch.zeros_like(parameter)
    elif is_sparse(gradient):
        parameter.grad = spread(gradient)
    elif gradient.stride() != parameter.stride():
        # A fused kernel reads memory in the parameter's own order, whatever the gradient's strides.
        parameter.grad = torch.empty_like(parameter).copy_(gradient.detach())
    elif gradient is not parameter.grad:
        parameter.grad = gradient.detach()
        return True
    return False


def is_sparse(gradient: Tensor | None) -> bool:
    """Whether it has rows of a table, and no memory for the others."""
    return gradient is not None and gradient.is_sparse


def spread(gradient: Tensor) -> Tensor:
    """A sparse gradient of a table on the CPU as a dense one, whose other rows take no memory until they are written.

    The system has one page of zeros for all that is mapped and only read.
    """
    memory = mmap.mmap(-1, gradient.numel() * gradient.element_size(), access=mmap.ACCESS_COPY)
    whole = torch.frombuffer(memory, dtype=gradient.dtype).view(gradient.shape)
    return whole.index_add_(0, gradient._indices()[0], gradient._values())


def spread_many(table: Tensor) -> None:
    """Make a table's gradient dense where it is sparse and has more than half as many rows as the table."""
    if is_sparse(table.grad) and 2 * table.grad._nnz() > len(table):
        table.grad = spread(table.grad)
