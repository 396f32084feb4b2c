"""Squeeze-and-excitation for Zoo: importing this registers the block, the family and the data; no framework is."""

from zoo_excitation.block import SqueezeExcitation
from zoo_excitation.data import ImageArchive
from zoo_excitation.family import ExcitedCnn

__all__ = ["ExcitedCnn", "ImageArchive", "SqueezeExcitation"]
