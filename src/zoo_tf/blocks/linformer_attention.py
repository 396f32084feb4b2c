"""Linformer's attention: keys and values are projected along the sequence to a few rows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import linformer_attention as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.attend import attend, join, split
from zoo_tf.blocks.attention import Attention
from zoo_tf.blocks.build import build

# B batch, T tokens, D hidden, N heads, H head size, K projected rows.


class ProjectedAttention(Attention):
    """``softmax(Q (E K)^T / sqrt(d)) (F V)`` (Wang et al., 2020, 4); ``E`` and ``F`` are the subclass's.

    Keys and values of padding are zero before they are projected.
    """

    def __init__(
        self, *, hidden_size: int, num_heads: int, bias: bool, dropout: float, **keras_: Any
    ) -> None:
        super().__init__(
            hidden_size=hidden_size, num_heads=num_heads, causal=False, bias=bias, dropout=dropout, **keras_
        )

    def mix(self, x: tf.Tensor, e: tf.Tensor, f: tf.Tensor, example_ids: tf.Tensor | None) -> tf.Tensor:
        """``x [B, T, D]`` with the projections ``e`` and ``f``, ``[K, length]`` or ``[N, K, length]``."""
        q_BNTH = split(self.query(x), self.num_heads)
        k_BNKH = along_sequence(e, split(self.key(x), self.num_heads), example_ids)
        v_BNKH = along_sequence(f, split(self.value(x), self.num_heads), example_ids)
        mixed_BNTH = attend(q_BNTH, k_BNKH, v_BNKH, scale=self.scale, mask=None, dropout=self.dropout)
        return self.project(join(mixed_BNTH))


class LinformerAttention(ProjectedAttention):
    """The layer's own projections: two for each head, two for all heads, or one for keys and values."""

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        bias: bool,
        dropout: float,
        size: int,
        length: int,
        sharing: str,
        **keras_: Any,
    ) -> None:
        super().__init__(hidden_size=hidden_size, num_heads=num_heads, bias=bias, dropout=dropout, **keras_)
        shape = (num_heads, size, length) if sharing == "none" else (size, length)

        def projection(name: str) -> keras.Variable:
            return self.add_weight(shape=shape, initializer="zeros", name=name, autocast=False)

        self.is_shared = sharing == "key_value"
        if self.is_shared:
            self.projection = projection("projection")
        else:
            self.key_projection = projection("key_projection")
            self.value_projection = projection("value_projection")

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        if self.is_shared:
            projection = tf.convert_to_tensor(self.projection)
            return self.mix(x, projection, projection, example_ids)
        e, f = (tf.convert_to_tensor(weight) for weight in (self.key_projection, self.value_projection))
        return self.mix(x, e, f, example_ids)


class LayerwiseLinformerAttention(ProjectedAttention):
    """One projection for keys and values of all heads and layers, which the stack hands in."""

    def call(
        self,
        x: tf.Tensor,
        projection: tf.Tensor,
        *,
        example_ids: tf.Tensor | None = None,
        positions: tf.Tensor | None = None,
    ) -> tf.Tensor:
        return self.mix(x, projection, projection, example_ids)


def along_sequence(projection: tf.Tensor, x_BNTH: tf.Tensor, example_ids: tf.Tensor | None) -> tf.Tensor:
    """``[B, N, K, H]``: the first T columns of ``projection`` times ``x``, padding left out."""
    if example_ids is not None:
        x_BNTH = x_BNTH * tf.cast(example_ids > 0, x_BNTH.dtype)[:, None, :, None]
    columns = tf.cast(projection[..., : tf.shape(x_BNTH)[2]], x_BNTH.dtype)
    return tf.matmul(columns, x_BNTH)


@build.register
def _linformer_attention(spec: specs.LinformerAttention, inputs: Inputs) -> LinformerAttention:
    return LinformerAttention(
        hidden_size=inputs["x"].width,
        num_heads=spec.num_heads,
        bias=spec.bias,
        dropout=spec.dropout,
        size=spec.size,
        length=spec.length,
        sharing=spec.sharing,
    )


@build.register
def _layerwise_linformer_attention(
    spec: specs.LayerwiseLinformerAttention, inputs: Inputs
) -> LayerwiseLinformerAttention:
    return LayerwiseLinformerAttention(
        hidden_size=inputs["x"].width, num_heads=spec.num_heads, bias=spec.bias, dropout=spec.dropout
    )
