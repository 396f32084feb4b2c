"""Dimensions that windows run along: none is shorter than a window, of which there would be none then."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.wiring import Bound, Node
from zoo_spec.tensors import Windows


def with_room_for_windows(bounds: Mapping[str, Bound], nodes: Mapping[str, Node]) -> dict[str, Bound]:
    """The bounds, each at least as large as the longest window along it; raises SpecError where none fits."""
    found = dict(bounds)
    for node in nodes.values():
        for size in (size for spec in node.outputs.values() for size in spec.shape):
            if not isinstance(size, Windows) or size.source not in found:
                continue
            bound = found[size.source]
            if bound.maximum is not None and bound.maximum < size.size:
                message = (
                    f"{node.name!r} needs {size.size} {size.source}, and there are {bound.maximum} at most"
                )
                raise SpecError(Problem(message, f"model.bounds.{size.source}"))
            found[size.source] = Bound(bound.maximum, max(bound.minimum, size.size))
    return found
