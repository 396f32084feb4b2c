"""From a block's spec to its native module: the one registered function that knows both worlds."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from zoo_spec.blocks.base import Block, Inputs
from zoo_spec.plugins import no_half


@singledispatch
def build(spec: Block, inputs: Inputs) -> nn.Module:
    """The native module of a block whose inputs have these shapes.

    Each file here registers its own, and a plugin's half for this framework too, with ``@build.register``.
    Raises EnvironmentFault for a block that has no torch half.
    """
    raise no_half("torch", spec.kind)


def build_children(spec: Block, inputs: Inputs) -> dict[str, nn.Module]:
    """The native modules inside a block, by attribute path."""
    return {name: build(child, child_inputs) for name, (child, child_inputs) in spec.children(inputs).items()}
