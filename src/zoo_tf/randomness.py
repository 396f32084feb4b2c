"""Dropout during training: every mask a function of (seed, step, micro-batch, path), so that a run resumes
exactly, and, where asked for, the same bit for bit in both frameworks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from zoo_spec.random import derive_key
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.dropout import Dropout
from zoo_tf.random import dropout_mask, fold_in


class StepRandomness:
    """Seeds a model's dropout, micro-batch by micro-batch.

    Native: TensorFlow's own stateless generator. Portable: each block's masks from the portable one. Step and
    micro-batch are variables, so that a compiled step is traced once.
    """

    def __init__(self, model: keras.Model, *, seed: int, portable: bool) -> None:
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.micro_batch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._drawers = [
            (layer, _Drawer(self, derive_key(seed, "dropout", path), portable))
            for path, layer in named_layers(model)
            if isinstance(layer, Dropout)
        ]

    @contextlib.contextmanager
    def at(self, step: int, micro_batch: int) -> Iterator[None]:
        """A micro-batch of a step; afterwards the model draws afresh again."""
        self.step.assign(step)
        self.micro_batch.assign(micro_batch)
        for dropout, drawer in self._drawers:
            dropout.set_draw(drawer)
        try:
            yield
        finally:
            for dropout, _ in self._drawers:
                dropout.set_draw(None)


class _Drawer:
    """Masks of one block, another one each time that it is applied."""

    def __init__(self, at: StepRandomness, key: tuple[int, int], portable: bool) -> None:
        self.at = at
        self.key = key
        self.portable = portable

    def __call__(self, shape: tf.Tensor, rate: float, use: int) -> tf.Tensor:
        key = fold_in(fold_in(self.key, self.at.step), self.at.micro_batch)
        if use:
            key = fold_in(key, use)
        if self.portable:
            return dropout_mask(key, shape, rate)
        return tf.random.stateless_uniform(shape, tf.stack(key)) >= rate
