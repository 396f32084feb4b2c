"""Blocks that move values without computing: flatten, concatenate, and the sum that joins branches."""

from __future__ import annotations

import operator
from functools import reduce
from math import prod

import tensorflow as tf

from zoo_spec.blocks import reshape as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block
from zoo_tf.blocks.build import build


class Flatten(Block):
    """``[batch, ...]`` to ``[batch, features]``."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, prod(x.shape[1:])])


class Concatenate(Block):
    """Joins its inputs along the last dimension."""

    def call(self, *inputs: tf.Tensor) -> tf.Tensor:
        return tf.concat(inputs, axis=-1)


class Add(Block):
    """Adds its inputs, from left to right."""

    def call(self, *inputs: tf.Tensor) -> tf.Tensor:
        return reduce(operator.add, inputs)


@build.register
def _flatten(spec: specs.Flatten, inputs: Inputs) -> Flatten:
    return Flatten()


@build.register
def _concatenate(spec: specs.Concatenate, inputs: Inputs) -> Concatenate:
    return Concatenate()


@build.register
def _add(spec: specs.Add, inputs: Inputs) -> Add:
    return Add()
