"""A third opinion on what a block computes: NumPy, in float64."""

from zoo_common.parity.opinions import images, layers, losses, mixing, pooling
from zoo_common.parity.opinions.base import NoOpinionError, ThirdParty

__all__ = ["NoOpinionError", "ThirdParty", "images", "layers", "losses", "mixing", "pooling"]
