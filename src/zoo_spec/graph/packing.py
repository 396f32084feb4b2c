"""Rows with several examples, and the blocks that cannot keep these apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.wiring import BlockPlace
from zoo_spec.tensors import TensorSpec

EXAMPLES = "example_ids"


def mixes_examples(inputs: Mapping[str, TensorSpec], places: Iterable[BlockPlace]) -> str | None:
    """The first block that is told of examples and cannot keep them apart: its kind and path; None if all can."""
    examples = inputs.get(EXAMPLES)
    for place in places:
        told = examples is not None and any(spec is examples for spec in place.inputs.values())
        if told and not place.block.keeps_examples_apart:
            return f"{place.block.kind} {place.path!r}"
    return None


def check_packing(inputs: Mapping[str, TensorSpec], places: Iterable[BlockPlace]) -> None:
    """Raise SpecError if a graph takes ``positions`` within packed examples, and a block of it would mix these."""
    if "positions" not in inputs:
        return
    found = mixes_examples(inputs, places)
    if found is not None:
        message = (
            f"{found} cannot keep the examples of a packed row apart; leave out the input 'positions', and give "
            "each example a row of its own"
        )
        raise SpecError(Problem(message, "model.inputs.positions"))
