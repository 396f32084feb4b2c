"""Parity: the proof that both frameworks compute the same thing for a spec."""

from zoo_common.parity.checking import check

__all__ = ["check"]
