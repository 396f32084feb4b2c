"""A plugin with one of everything but a block and a family: data, metric, prediction, what training takes."""

from __future__ import annotations

from zoo_dots import read, specs

__all__ = ["read", "specs"]
