"""Rows with several examples: which inputs speak of them, and which blocks cannot keep them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo_spec.blocks.base import EXAMPLE_PORTS, POSITION_PORT, START_PORT
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.wiring import BlockPlace
from zoo_spec.tensors import Dimension, TensorSpec

EXAMPLES = "example_ids"


@dataclass(frozen=True)
class RowInputs:
    """The inputs that speak of a row's examples, each with the dimension of the row that it speaks of.

    ``examples`` number the examples, 0 being padding; ``positions`` count within each example; ``starts`` say where
    each example starts; ``places`` point to somewhere in the row, and ``starts`` are among them.
    """

    examples: Mapping[str, Dimension]
    positions: Mapping[str, Dimension]
    starts: Mapping[str, Dimension]
    places: Mapping[str, Dimension]


def row_inputs(inputs: Mapping[str, TensorSpec], places: Iterable[BlockPlace]) -> RowInputs:
    """What the ports that read an input make of it, whatever it is called."""
    names = {id(spec): name for name, spec in inputs.items()}
    examples: dict[str, Dimension] = {}
    positions: dict[str, Dimension] = {}
    starts: dict[str, Dimension] = {}
    pointers: dict[str, Dimension] = {}
    for place in places:
        points = place.block.points(place.inputs)
        for port, spec in place.inputs.items():
            name = names.get(id(spec))
            if name is None:
                continue
            if port in EXAMPLE_PORTS:
                examples[name] = spec.shape[1]
            elif port in points:
                pointers[name] = points[port]
                if port == START_PORT:
                    starts[name] = points[port]
            elif port == POSITION_PORT:
                positions[name] = spec.shape[1]
    return RowInputs(examples, positions, starts, pointers)


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
