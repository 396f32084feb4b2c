"""Weights and moments in files, through memory a unit at a time (docs/streaming.md)."""

from zoo_common.streaming.host import Host, Moments
from zoo_common.streaming.slots import Slot

__all__ = ["Host", "Moments", "Slot"]
