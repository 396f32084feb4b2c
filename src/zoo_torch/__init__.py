"""The PyTorch half of Zoo: a spec in, a native ``torch.nn.Module`` out, and a runner that trains it."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil

from zoo_spec.errors import EnvironmentFault


def _require_torch() -> None:
    """Says what to install where PyTorch is missing."""
    if importlib.util.find_spec("torch") is None:
        raise EnvironmentFault("zoo_torch needs PyTorch: pip install 'dualzoo[torch]'")


def _register_blocks() -> None:
    """Imports every module of ``zoo_torch.blocks``, which registers how its blocks are built."""
    blocks = importlib.import_module("zoo_torch.blocks")
    for module in pkgutil.iter_modules(blocks.__path__, "zoo_torch.blocks."):
        importlib.import_module(module.name)


_require_torch()
_register_blocks()

from zoo_common.training.run_config import RunConfig  # noqa: E402
from zoo_common.training.train_and_evaluate import EvalSpec, TrainSpec  # noqa: E402
from zoo_common.training.warm_start import WarmStartSettings  # noqa: E402
from zoo_spec.plugins import load_halves  # noqa: E402
from zoo_torch.blocks.base import build  # noqa: E402
from zoo_torch.compile import compile  # noqa: E402 (the blocks are registered first)
from zoo_torch.export import export_serving  # noqa: E402
from zoo_torch.runner import Runner, train_and_evaluate  # noqa: E402
from zoo_torch.weights import get_weights, set_weights  # noqa: E402

load_halves("torch", build)

__all__ = [
    "EvalSpec",
    "RunConfig",
    "Runner",
    "TrainSpec",
    "WarmStartSettings",
    "compile",
    "export_serving",
    "get_weights",
    "set_weights",
    "train_and_evaluate",
]
