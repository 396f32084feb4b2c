"""Dropout during training: every mask a function of (seed, step, micro-batch, path), so that a run resumes
exactly, and, where asked for, the same bit for bit in both frameworks and whoever computes which rows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zoo_spec.random import derive_key, fold_in, fold_in_each
from zoo_torch.blocks.dropout import Draw, Dropout
from zoo_torch.random import dropout_mask

Key = tuple[int, int] | Tensor
"""The two words of a block's key in a micro-batch."""


@dataclass(frozen=True)
class Place:
    """Where a model is in its dropout: the same masks follow whenever it is there again."""

    keys: list[Key]
    first_row: int
    uses: tuple[tuple[Draw | None, int], ...]
    generator: Tensor
    device_generator: Tensor | None


class StepRandomness:
    """Seeds a model's dropout, micro-batch by micro-batch.

    Native: torch's own generator, seeded anew for each, and for each replica. Portable: each block's masks from the
    portable one, of which a replica takes those of its own rows. ``rowless`` are the paths of the dropouts whose
    values belong to no row: every replica drops the same of them. Keys are tensors on the device ``where``, if one is
    given, as a compiled program takes them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        seed: int,
        portable: bool,
        rowless: Collection[str] = (),
        where: torch.device | None = None,
    ) -> None:
        self.keys: list[Key] = []
        self.first_row = 0
        self._where = where
        self._portable = portable
        self._seed = derive_key(seed, "dropout")
        paths = {path: module for path, module in model.named_modules() if isinstance(module, Dropout)}
        derived = [derive_key(seed, "dropout", path) for path in paths]
        self._derived = np.array(derived, np.uint32).reshape(-1, 2)
        self._drawers = [(module, _Drawer(path not in rowless)) for path, module in paths.items()]
        self._uses_cuda = any(value.device.type == "cuda" for value in model.parameters())

    @contextlib.contextmanager
    def at(self, step: int, micro_batch: int, first_row: int = 0) -> Iterator[None]:
        """A micro-batch of a step, or what there is of it from a row on; afterwards the model draws afresh again."""
        if not self._portable:
            if self._drawers:
                key = fold_in(fold_in(self._seed, step), micro_batch)
                high, low = fold_in(key, first_row) if first_row else key
                torch.manual_seed((high << 31) ^ low)
            yield
            return
        found = fold_in_each(fold_in_each(self._derived, step), micro_batch).astype(np.int64)
        if self._where is None:
            self._draw_by([(int(one), int(other)) for one, other in found], first_row)
        else:
            self._draw_by(list(torch.from_numpy(found).to(self._where).unbind()), first_row)
        for dropout, drawer in self._drawers:
            dropout.set_draw(drawer)
        try:
            yield
        finally:
            for dropout, _ in self._drawers:
                dropout.set_draw(None)

    def _draw_by(self, keys: list[Key], first_row: int) -> None:
        self.keys, self.first_row = keys, first_row
        for (_, drawer), key in zip(self._drawers, keys, strict=True):
            drawer.key, drawer.first_row = key, first_row

    def place(self) -> Place:
        """Where the model is now; a block of a user's own may draw from torch's generator beside our dropout."""
        return Place(
            self.keys,
            self.first_row,
            tuple((dropout.draw, dropout.uses) for dropout, _ in self._drawers),
            torch.get_rng_state(),
            torch.cuda.get_rng_state() if self._uses_cuda else None,
        )

    def go_to(self, place: Place) -> None:
        """Have the model be there."""
        if place.keys:
            self._draw_by(place.keys, place.first_row)
        for (dropout, _), (draw, uses) in zip(self._drawers, place.uses, strict=True):
            if dropout.draw is not draw or dropout.uses != uses:  # A module is slow to take an attribute.
                dropout.set_draw(draw)
                dropout.uses = uses
        torch.set_rng_state(place.generator)
        if place.device_generator is not None:
            torch.cuda.set_rng_state(place.device_generator)


class _Drawer:
    """Masks of one block, another one each time that it is applied."""

    def __init__(self, by_row: bool) -> None:
        self.key: Key = (0, 0)
        self.first_row = 0
        self.by_row = by_row

    def __call__(self, shape: tuple[int, ...], rate: float, use: int) -> Tensor:
        key = self.key[0], self.key[1]
        if use:
            key = fold_in(key, use)
        before = self.first_row * math.prod(shape[1:]) if self.by_row else 0
        return dropout_mask(key, shape, rate, offset=before)
