"""Hidden units of speech: what a cluster of a frame's features is called (HuBERT: Hsu et al., 2021, 3.1)."""

from zoo_common.hidden_units.features import Features
from zoo_common.hidden_units.making import Made, Plan, make_units

__all__ = ["Features", "Made", "Plan", "make_units"]
