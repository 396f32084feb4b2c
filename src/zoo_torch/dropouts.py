"""What dropout does in a training pass, seen from outside: by hooks, and in fused attention by what it gives for
values that show its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zoo_torch.blocks.dropout import Dropout

Use = tuple[str, Tensor, Tensor]
"""A dropout's path, what it took and what it gave."""

_KERNEL = F.scaled_dot_product_attention
_PARAMETERS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


@torch.no_grad()
def watch_dropouts(model: nn.Module, run: Callable[[], object]) -> list[Use]:
    """Every use of a dropout while ``run`` runs the model in training; its weights and buffers may change."""
    kernels = _Kernels()
    hooks = []
    for path, module in model.named_modules():
        hooks += [
            module.register_forward_pre_hook(
                lambda module, args, path=path: kernels.inside.append((path, module))
            ),
            module.register_forward_hook(lambda module, args, output: kernels.leave(), always_call=True),
        ]
        if isinstance(module, Dropout):
            hooks.append(
                module.register_forward_hook(
                    lambda module, args, output, path=path: kernels.uses.append((path, args[0], output))
                )
            )
    model.train()
    try:
        with kernels:
            run()
    finally:
        model.eval()
        for hook in hooks:
            hook.remove()
    return kernels.uses


class _Kernels(TorchFunctionMode):
    """Notes which weights a fused attention drops, which keeps them to itself.

    It is called once more with each position's own unit vector for its value, so that the output is the weights,
    with dropout and without. That draws another mask, at the same rate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[tuple[str, nn.Module]] = []
        self.uses: list[Use] = []

    def leave(self) -> None:
        """A module has run."""
        self.inside.pop()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is _KERNEL:
            given = {**dict(zip(_PARAMETERS, args, strict=False)), **(kwargs or {})}
            key = given["key"]
            units = torch.eye(key.shape[-2], dtype=key.dtype, device=key.device).expand(*key.shape[:-1], -1)
            weights = func(**{**given, "value": units, "dropout_p": 0.0})
            self.uses.append((self._path(), weights, func(**{**given, "value": units})))
        return output

    def _path(self) -> str:
        """The dropout of the innermost module that runs."""
        path, module = self.inside[-1]
        own = [name for name, child in module.named_children() if isinstance(child, Dropout)]
        return f"{path}.{own[0]}" if own else path
