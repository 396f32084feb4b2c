"""Dropout during training: every mask a function of (seed, step, micro-batch, path), so that a run resumes
exactly, and, where asked for, the same bit for bit in both frameworks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_spec.random import derive_key, fold_in
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.random import dropout_mask


class StepRandomness:
    """Seeds a model's dropout, micro-batch by micro-batch.

    Native: torch's own generator, seeded anew for each. Portable: each block's masks from the portable one.
    """

    def __init__(self, model: nn.Module, *, seed: int, portable: bool) -> None:
        self.step = 0
        self.micro_batch = 0
        self._seed = derive_key(seed, "dropout")
        self._portable = portable
        self._paths = [path for path, module in model.named_modules() if isinstance(module, Dropout)]
        if portable:
            for path in self._paths:
                dropout = model.get_submodule(path)
                assert isinstance(dropout, Dropout)
                dropout.set_draw(self._drawer(derive_key(seed, "dropout", path)))

    def enter(self, step: int, micro_batch: int) -> None:
        """Begin a micro-batch of a step."""
        self.step, self.micro_batch = step, micro_batch
        if self._paths and not self._portable:
            high, low = fold_in(fold_in(self._seed, step), micro_batch)
            torch.manual_seed((high << 31) ^ low)

    def _drawer(self, key: tuple[int, int]) -> _Drawer:
        return _Drawer(self, key)


class _Drawer:
    """Masks of one block."""

    def __init__(self, at: StepRandomness, key: tuple[int, int]) -> None:
        self.at = at
        self.key = key

    def __call__(self, shape: tuple[int, ...], rate: float) -> Tensor:
        key = fold_in(fold_in(self.key, self.at.step), self.at.micro_batch)
        return dropout_mask(key, shape, rate)
