"""A graph of blocks: wiring, shape inference, the parameter table and the cost, with no framework."""

from zoo_spec.graph.builder import GraphBuilder
from zoo_spec.graph.graph import Graph
from zoo_spec.graph.units import Unit, Units, stack_layers, units
from zoo_spec.graph.wiring import Bound, LossPart, Node, Ref

__all__ = [
    "Bound",
    "Graph",
    "GraphBuilder",
    "LossPart",
    "Node",
    "Ref",
    "Unit",
    "Units",
    "stack_layers",
    "units",
]
