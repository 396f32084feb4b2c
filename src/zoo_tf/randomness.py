"""Dropout during training: every mask a function of (seed, step, micro-batch, path), so that a run resumes
exactly, and, where asked for, the same bit for bit in both frameworks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from zoo_spec.random import derive_key, fold_in_each
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.random import dropout_mask, fold_in


class StepRandomness:
    """Seeds a model's dropout, micro-batch by micro-batch.

    Native: TensorFlow's own stateless generator, with other keys for each replica. Portable: each block's masks from
    the portable one, of which a replica takes those of its own rows. The keys of a micro-batch are one variable, and
    so is its first row, so that a compiled step is traced once. ``rowless`` are the paths of the dropouts whose
    values belong to no row: every replica drops the same of them.
    """

    def __init__(
        self, model: keras.Model, *, seed: int, portable: bool, rowless: Collection[str] = ()
    ) -> None:
        self.portable = portable
        paths = {path: layer for path, layer in named_layers(model) if isinstance(layer, Dropout)}
        derived = [derive_key(seed, "dropout", path) for path in paths]
        self._derived = np.array(derived, np.uint32).reshape(-1, 2)
        self.paths = list(paths)
        self.now: Keys | None = None
        """The keys, while a micro-batch of a step is at work."""
        self.keys = tf.Variable(self._derived.astype(np.int64), trainable=False)
        self.first_row = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._by_row = np.array([path not in rowless for path in paths], bool).reshape(-1, 1)
        self._dropouts = list(paths.values())

    def keys_at(self, step: int, micro_batch: int, first_row: int = 0) -> np.ndarray:
        """The key of each path, ``[paths, 2]`` int64, in a micro-batch, or what there is of it from a row on."""
        keys = fold_in_each(fold_in_each(self._derived, step), micro_batch)
        if first_row and not self.portable:
            keys = np.where(self._by_row, fold_in_each(keys, first_row), keys)
        return keys.astype(np.int64)

    @contextlib.contextmanager
    def drawing(self, keys: Keys) -> Iterator[None]:
        """Masks of these keys; afterwards the model draws afresh again."""
        self.now = keys
        for index, (dropout, by_row) in enumerate(zip(self._dropouts, self._by_row[:, 0], strict=True)):
            dropout.set_draw(Drawer(keys, index, bool(by_row)))
        try:
            yield
        finally:
            self.now = None
            for dropout in self._dropouts:
                dropout.set_draw(None)

    @contextlib.contextmanager
    def at(self, step: int, micro_batch: int, first_row: int = 0) -> Iterator[None]:
        """A micro-batch of a step, or what there is of it from a row on."""
        self.keys.assign(self.keys_at(step, micro_batch, first_row))
        self.first_row.assign(first_row)
        with self.drawing(Keys(self.keys, self.portable, self.first_row)):
            yield


class Keys(NamedTuple):
    """The keys of several blocks, ``[blocks, 2]`` int64, whose masks they are keys of, and from which row on."""

    keys: tf.Tensor | tf.Variable
    portable: bool
    first_row: int | tf.Variable = 0


class Drawer:
    """Masks of one block, another one each time that it is applied."""

    def __init__(self, at: Keys, index: int, by_row: bool = True) -> None:
        self.at = at
        self.index = index
        self.by_row = by_row

    def __call__(self, shape: tf.Tensor, rate: float, use: int) -> tf.Tensor:
        if self.at.portable:
            first_row = self.at.first_row if self.by_row else 0
            return _portable(rate, use)(self.at.keys, self.index, first_row, shape)
        key = tf.unstack(self.at.keys[self.index])
        if use:
            key = fold_in(key, use)
        return tf.random.stateless_uniform(shape, tf.stack(key)) >= rate


@cache
def _portable(rate: float, use: int) -> Callable[..., tf.Tensor]:
    """The masks of a rate, by a function of the graph: a step with many dropouts has a call of it for each."""

    def mask(keys: tf.Tensor, index: tf.Tensor, first_row: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        key = tf.unstack(keys[index])
        row = tf.reduce_prod(tf.cast(shape[1:], tf.int64))
        return dropout_mask(fold_in(key, use) if use else key, shape, rate, first_row * row)

    numbers = [tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.int64)]
    signature = [tf.TensorSpec((None, 2), tf.int64), *numbers, tf.TensorSpec([None], tf.int32)]
    return tf.function(mask, signature, autograph=False)
