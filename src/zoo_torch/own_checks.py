"""What a user's module, optimizer and scheduler must be, said before the first step."""

from __future__ import annotations

import inspect
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from zoo_spec.errors import InputError

_SAVED = frozenset(
    {
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8, torch.uint16),
        *(torch.uint32, torch.uint64, torch.int8, torch.int16, torch.int32, torch.int64),
    }
)
"""What a checkpoint holds; bfloat16 as float32."""


def check_module(model: nn.Module, title: str) -> None:
    """Raise InputError, with the names, for a module whose state a checkpoint cannot hold or that has none yet."""
    lazy = [name for name, value in [*model.named_parameters(), *model.named_buffers()] if is_lazy(value)]
    if lazy:
        raise InputError(
            f"{title} has weights without a shape, {_some(lazy)}: lazy modules get theirs from the first batch; "
            "call the module on one before it goes to the runner"
        )
    state = model.state_dict()
    extra = [name for name, value in state.items() if not isinstance(value, Tensor) or _is_extra(name)]
    if extra:
        raise InputError(
            f"{title} keeps in its state_dict what is no weight, {_some(extra)} (get_extra_state, or a quantized "
            "module); a checkpoint holds tensors alone: keep it in a buffer, or outside of the module"
        )
    empty = [name for name, value in state.items() if value.is_meta]
    if empty:
        raise InputError(
            f"{title} has weights on the meta device, without values: {_some(empty)}; call "
            "to_empty(device=...) and set them"
        )
    strange = [
        f"{name} ({value.dtype})"
        for name, value in state.items()
        if value.dtype not in _SAVED or value.layout != torch.strided
    ]
    if strange:
        raise InputError(
            f"{title} has weights of a kind that a checkpoint cannot hold: {_some(strange)}; keep real and "
            "imaginary part as two real parameters (torch.view_as_complex joins them), and sparse ones dense"
        )


def check_optimizer(optimizer: object, names: Collection[nn.Parameter], title: str) -> None:
    """Raise InputError for what is no optimizer, needs a closure, or updates what is not the module's."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(f"optimizer= gives {type(optimizer).__name__}; it must give a torch.optim.Optimizer")
    kind = type(optimizer).__name__
    needed = _needed(type(optimizer).step)
    if needed:
        raise InputError(
            f"{kind}.step needs {', '.join(needed)}: an optimizer that computes the loss several times a step does "
            "not go with batches that are drawn a step each; take one that needs nothing, such as AdamW"
        )
    given = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    strange = [list(parameter.shape) for parameter in given if parameter not in names]
    if strange:
        raise InputError(
            f"{kind} updates parameters that {title} does not have, of the shapes {_some(list(map(str, strange)))}; "
            "make them the module's, so that they are saved with it"
        )


def check_scheduler(scheduler: object) -> None:
    """Raise InputError for what is no scheduler, or steps by something else than the number of steps."""
    kind = type(scheduler).__name__
    step = getattr(type(scheduler), "step", None)
    if step is None:
        raise InputError(f"scheduler= gives {kind}; it must give a scheduler of torch.optim.lr_scheduler")
    needed = _needed(step)
    if needed:
        raise InputError(
            f"{kind}.step needs {', '.join(needed)}: it goes by what a run measured, and a run that goes on could "
            "not repeat that; take a scheduler that goes by the number of steps"
        )


def check_optimizer_state(optimizer: torch.optim.Optimizer, names: dict[nn.Parameter, str]) -> None:
    """Raise InputError, after the first step, for an optimizer whose state a checkpoint cannot hold."""
    strange = [
        f"{names[parameter]}/{key} ({type(value).__name__})"
        for parameter, kept in optimizer.state.items()
        for key, value in kept.items()
        if not (value is None or isinstance(value, bool | int | float | Tensor))
    ]
    if strange:
        raise InputError(
            f"{type(optimizer).__name__} keeps what a checkpoint cannot hold: {_some(strange)}; take an "
            "optimizer whose state is tensors and numbers"
        )


def _is_extra(name: str) -> bool:
    return name.rsplit(".", 1)[-1] == torch.nn.modules.module._EXTRA_STATE_KEY_SUFFIX


def _needed(function: object) -> list[str]:
    """The arguments, but for ``self``, that a method cannot be called without."""
    parameters = list(inspect.signature(function).parameters.values())[1:]  # type: ignore[arg-type]
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
