"""Dropout during training: every mask a function of (seed, step, micro-batch, path), so that a run resumes
exactly, and, where asked for, the same bit for bit in both frameworks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from zoo_spec.random import derive_key, fold_in_each
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.random import dropout_mask, fold_in


class StepRandomness:
    """Seeds a model's dropout, micro-batch by micro-batch.

    Native: TensorFlow's own stateless generator. Portable: each block's masks from the portable one. The keys of a
    micro-batch are one variable, so that a compiled step is traced once.
    """

    def __init__(self, model: keras.Model, *, seed: int, portable: bool) -> None:
        self.portable = portable
        paths = {path: layer for path, layer in named_layers(model) if isinstance(layer, Dropout)}
        derived = [derive_key(seed, "dropout", path) for path in paths]
        self._derived = np.array(derived, np.uint32).reshape(-1, 2)
        self.keys = tf.Variable(self._derived.astype(np.int64), trainable=False)
        self._drawers = [(layer, _Drawer(self, index)) for index, layer in enumerate(paths.values())]

    @contextlib.contextmanager
    def at(self, step: int, micro_batch: int) -> Iterator[None]:
        """A micro-batch of a step; afterwards the model draws afresh again."""
        self.keys.assign(fold_in_each(fold_in_each(self._derived, step), micro_batch).astype(np.int64))
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

    def __call__(self, shape: tf.Tensor, rate: float, use: int) -> tf.Tensor:
        key = tf.unstack(self.at.keys[self.index])
        if use:
            key = fold_in(key, use)
        if self.at.portable:
            return dropout_mask(key, shape, rate)
        return tf.random.stateless_uniform(shape, tf.stack(key)) >= rate
