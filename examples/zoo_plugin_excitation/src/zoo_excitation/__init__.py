"""Squeeze-and-excitation for Zoo: importing this registers the block and the family, and imports no framework."""

from zoo_excitation.block import SqueezeExcitation
from zoo_excitation.family import ExcitedCnn

__all__ = ["ExcitedCnn", "SqueezeExcitation"]
