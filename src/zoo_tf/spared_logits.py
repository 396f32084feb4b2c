"""Training without logits that nobody but the loss reads: their head hands on what they are made of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from zoo_common.logits import in_parts
from zoo_spec.graph import Graph
from zoo_tf.blocks.base import named_layers
from zoo_tf.blocks.product import Product
from zoo_tf.blocks.tied_dense import TiedDense


@contextlib.contextmanager
def sparing_logits(model: keras.Model, graph: Graph) -> Iterator[None]:
    """While it lasts, no logits are among the outputs that only the loss needs (``Graph.spared_logits``)."""
    wanted = {each.product for each in graph.spared_logits} if in_parts() else set()
    heads = [layer for path, layer in named_layers(model) if path in wanted] if wanted else []
    before = [head.set_host(partial(_factors, head)) for head in heads]
    try:
        yield
    finally:
        for head, host in zip(heads, before, strict=True):
            head.set_host(host)


def _factors(
    head: keras.layers.Layer, given: tuple[Any, ...], named: Mapping[str, Any], training: bool | None
) -> Product:
    """What a dense layer, or one that is tied to a table, multiplies."""
    is_tied = isinstance(head, TiedDense)
    x = tf.cast(given[0], head.compute_dtype)
    weight = given[1] if is_tied else tf.convert_to_tensor(head.kernel)
    bias = None if head.bias is None else tf.cast(tf.convert_to_tensor(head.bias), x.dtype)
    return Product(x, tf.cast(weight, x.dtype), bias, is_turned=not is_tied)
