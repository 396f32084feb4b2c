"""Dropout during training: every mask a function of (seed, step, micro-batch, path), so that a run resumes
exactly, and, where asked for, the same bit for bit in both frameworks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from zoo_spec.random import derive_key, fold_in, fold_in_each
from zoo_torch.blocks.dropout import Dropout
from zoo_torch.random import dropout_mask


class StepRandomness:
    """Seeds a model's dropout, micro-batch by micro-batch.

    Native: torch's own generator, seeded anew for each. Portable: each block's masks from the portable one.
    """

    def __init__(self, model: nn.Module, *, seed: int, portable: bool) -> None:
        self.keys: list[tuple[int, int]] = []
        self._portable = portable
        self._seed = derive_key(seed, "dropout")
        paths = {path: module for path, module in model.named_modules() if isinstance(module, Dropout)}
        derived = [derive_key(seed, "dropout", path) for path in paths]
        self._derived = np.array(derived, np.uint32).reshape(-1, 2)
        self._drawers = [(module, _Drawer(self, index)) for index, module in enumerate(paths.values())]

    @contextlib.contextmanager
    def at(self, step: int, micro_batch: int) -> Iterator[None]:
        """A micro-batch of a step; afterwards the model draws afresh again."""
        if not self._portable:
            if self._drawers:
                high, low = fold_in(fold_in(self._seed, step), micro_batch)
                torch.manual_seed((high << 31) ^ low)
            yield
            return
        self.keys = [
            (int(low), int(high))
            for low, high in fold_in_each(fold_in_each(self._derived, step), micro_batch)
        ]
        for dropout, drawer in self._drawers:
            dropout.set_draw(drawer)
        try:
            yield
        finally:
            for dropout, _ in self._drawers:
                dropout.set_draw(None)


class _Drawer:
    """Masks of one block, another one each time that it is applied."""

    def __init__(self, at: StepRandomness, index: int) -> None:
        self.at = at
        self.index = index

    def __call__(self, shape: tuple[int, ...], rate: float, use: int) -> Tensor:
        key = self.at.keys[self.index]
        if use:
            key = fold_in(key, use)
        return dropout_mask(key, shape, rate)
