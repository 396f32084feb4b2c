"""Sinusoidal positions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo_spec.blocks import sinusoidal as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build


class SinusoidalPositions(Block):
    """Adds sines and cosines of each position to ``x [B, T, D]``.

    ``table [size, D]`` is no weight: it is computed in float64, and taken in the dtype of ``x``.
    """

    def __init__(
        self,
        *,
        size: int,
        hidden_size: int,
        layout: specs.Layout,
        first: int = 0,
        spacing: specs.Spacing = "open",
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.table = specs.sinusoids(size, hidden_size, layout, first, spacing)

    def call(self, x: tf.Tensor, *, positions: tf.Tensor | None = None) -> tf.Tensor:
        table = tf.constant(self.table, x.dtype)
        if positions is None:
            return x + table[: tf.shape(x)[1]]
        return x + tf.gather(table, positions)


@build.register
def _sinusoidal_positions(spec: specs.SinusoidalPositions, inputs: Inputs) -> SinusoidalPositions:
    return SinusoidalPositions(
        size=spec.size,
        hidden_size=inputs["x"].width,
        layout=spec.layout,
        first=spec.first,
        spacing=spec.spacing,
    )
