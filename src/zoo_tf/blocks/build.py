"""From a block's spec to its native layer: the one registered function that knows both worlds."""

from __future__ import annotations

from functools import singledispatch

import keras

from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.plugins import no_half


@singledispatch
def build(spec: Block, inputs: Inputs) -> keras.layers.Layer:
    """The native layer of a block whose inputs have these shapes.

    Each file here registers its own, and a plugin's half for this framework too, with ``@build.register``.
    Raises EnvironmentFault for a block that has no TensorFlow half.
    """
    raise no_half("tf", spec.kind)


def build_children(spec: Block, inputs: Inputs) -> dict[str, keras.layers.Layer]:
    """The native layers inside a block, by attribute path."""
    return {name: build(child, child_inputs) for name, (child, child_inputs) in spec.children(inputs).items()}
