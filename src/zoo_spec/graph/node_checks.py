"""What must hold of a node: its ports are connected, its inputs fit its block, its weights can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from zoo_spec.blocks.base import Block, Inputs, ShapeError
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph.walk import folded
from zoo_spec.graph.wiring import Node, Ref, required_ports


def by_port(name: str, block: Block, inputs: Mapping[str, Ref]) -> dict[str, Ref]:
    """The inputs in the order of the block's ports; SpecError if a required one is missing, or one is unknown."""
    known = inputs if block.variadic else block.ports()
    missing = [port for port in block.required if port not in inputs]
    unknown = [port for port in inputs if port not in known]
    if missing or unknown:
        wrong = [f"has no port {port!r}" for port in unknown] + [f"lacks {port!r}" for port in missing]
        ports = ", ".join(port if port in block.required else f"{port} (optional)" for port in block.ports())
        raise SpecError(
            Problem(f"{_called(name, block)} {' and '.join(wrong)}; its ports are {ports}", inputs_path(name))
        )
    order = list(inputs) if block.variadic else [port for port in block.ports() if port in inputs]
    return {port: inputs[port] for port in order}


def checked_node(name: str, block: Block, inputs: Mapping[str, Ref], specs: Inputs, owner: str) -> Node:
    """The node; its outputs are optional where a required input is. SpecError where the block refuses its inputs."""
    try:
        outputs = block.infer(specs)
    except ShapeError as error:
        met = "; ".join(
            f"{ref.source!r} gives {specs[port].described}"
            if block.variadic
            else f"{port} from {ref.source!r} is {specs[port].described}"
            for port, ref in inputs.items()
        )
        message = f"{_called(name, block)} {error}" + (f": {met}" if met else "")
        raise SpecError(Problem(message, inputs_path(name))) from None
    absent = any(specs[port].optional for port in required_ports(block, inputs))
    outputs = {
        output: spec if spec.optional == absent else replace(spec, optional=absent)
        for output, spec in outputs.items()
    }
    return Node(name, block, inputs, owner, specs, outputs)


def check_shared(node: Node, owner: Node) -> None:
    """Raise SpecError if a node's inputs would need other weights than those of the node that it shares."""
    mine, theirs = _shapes(node.block, node.specs), _shapes(node.block, owner.specs)
    if mine != theirs:
        leaf = next(leaf for leaf in theirs if mine.get(leaf) != theirs[leaf])
        message = (
            f"{node.name!r} is like {owner.name!r}, but its input would need {leaf.lstrip('.')} of shape "
            f"{list(mine.get(leaf, ()))}, where {owner.name!r} has {list(theirs[leaf])}"
        )
        raise SpecError(Problem(message, inputs_path(node.name)))


def inputs_path(name: str) -> str:
    """Where a composed spec says what flows into the node."""
    return f"model.nodes.{name}.inputs"


def _called(name: str, block: Block) -> str:
    return f"{block.kind} {name!r}"


def _shapes(block: Block, inputs: Inputs) -> dict[str, tuple[int, ...]]:
    return {
        f"{place.path}.{leaf}": parameter.shape
        for place in folded("", 0, block, inputs)
        for leaf, parameter in place.block.parameters(place.inputs).items()
    }
