"""The PyTorch half of Zoo: a spec in, a native ``torch.nn.Module`` out, and a runner that trains it."""

from __future__ import annotations

from zoo_spec.errors import EnvironmentFault

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise EnvironmentFault(
        "PyTorch is not installed; install it with: pip install 'dualzoo[torch]' "
        "(on a machine without a GPU add: --index-url https://download.pytorch.org/whl/cpu for torch itself)"
    ) from error

from importlib import import_module as _import_module

import zoo_torch.blocks as _blocks
from pkgutil import iter_modules as _iter_modules

for _module in _iter_modules(_blocks.__path__, _blocks.__name__ + "."):
    _import_module(_module.name)

from zoo_torch.compile import compile
from zoo_torch.runner import Runner
from zoo_torch.weights import get_weights, set_weights

__all__ = ["Runner", "compile", "get_weights", "set_weights"]
