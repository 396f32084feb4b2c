"""A model that is trained in the mode in which it was made, which is that of evaluation: it says so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from torch import Tensor, nn

from zoo_torch.blocks.dropout import Dropout
from zoo_torch.blocks.norm import BatchNorm


def notice_untold_training(model: nn.Module, outputs: Mapping[str, Tensor]) -> None:
    """Warn, once a model, when a gradient comes back from outputs of one that nobody put into training mode.

    Trainers that keep a module's mode, Lightning's among them, would train it without dropout and with the batch
    statistics that it has, and nothing else would say so.
    """
    modules = list(model.modules())
    rates = any(isinstance(module, Dropout) and module.rate for module in modules)
    statistics = any(isinstance(module, BatchNorm) for module in modules)
    what = " and ".join(
        ["dropout"] * rates + ["statistics of the batch (batch norm takes its running ones)"] * statistics
    )
    if not what:
        return

    def came_back(gradient: Tensor) -> None:
        if not getattr(model, "_was_trained", False):
            model._was_trained = True
            warnings.warn(
                f"{type(model).__name__} computes gradients in evaluation mode, in which it was made: without "
                f"{what}. Call model.train() before training, or model.train().eval() if this is meant",
                stacklevel=2,
            )

    for value in outputs.values():
        if value.requires_grad and value.grad_fn is not None:
            value.register_hook(came_back)


def mean_evaluation(model: nn.Module) -> None:
    """Gradients in evaluation mode are meant: no warning. The mode stays as it is."""
    model._was_trained = True
