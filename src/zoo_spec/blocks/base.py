"""The base of every block spec: what a block declares so that everything else can be computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zoo_spec.cost import Cost
from zoo_spec.parameters import Parameter
from zoo_spec.registry import Registered
from zoo_spec.tensors import INT, Dimension, TensorSpec

Inputs = Mapping[str, TensorSpec]
Outputs = dict[str, TensorSpec]

EXAMPLE_PORTS = ("example_ids", "memory_example_ids")
"""Ports that say which example each token of a row is of: 0 is padding, examples count from 1."""
POSITION_PORT = "positions"
"""The port that says which token of its example each one is, unless the block says that it ``points``."""
START_PORT = "pooled_positions"
"""The port that says where each example of a row starts."""


class ShapeError(Exception):
    """An input does not fit a block; the graph adds which nodes and shapes met."""


class Block(Registered):
    """A building block: ports, shape rule, parameters, children and cost.

    ``required`` and ``optional`` name the input ports. A ``variadic`` block takes any number of inputs, all
    required, whose ports are ``"0"``, ``"1"`` and so on. The first output is the one meant where none is named.
    """

    role: ClassVar[str] = "block"
    shipped_in: ClassVar[str] = "zoo_spec.blocks"
    required: ClassVar[tuple[str, ...]] = ("x",)
    optional: ClassVar[tuple[str, ...]] = ()
    variadic: ClassVar[bool] = False
    keeps_examples_apart: ClassVar[bool] = True
    """False for a block that mixes positions without regard to ``example_ids``: packed rows are refused."""
    counts_padding: ClassVar[bool] = False
    """True for a block whose statistics are of padding too, so that outputs depend on how far a row is filled up."""
    last_product: ClassVar[str | None] = None
    """Where the product is whose result is the only output: the path of the ``dense`` or ``tied_dense`` inside, empty
    for the block itself; None where there is none. A block that derives from one does not inherit it."""
    rounds_once: ClassVar[bool] = False
    """True for a block that computes in float32 or wider and rounds its result once, whatever the model's dtype."""

    @classmethod
    def ports(cls) -> tuple[str, ...]:
        """All ports in order; those of a variadic block have no names."""
        return (*cls.required, *cls.optional)

    def infer(self, inputs: Inputs) -> Outputs:
        """Shapes and dtypes of the outputs; raises ShapeError if the inputs do not fit."""
        raise TypeError(f"{type(self).__name__} declares no shape rule")

    def parameters(self, inputs: Inputs) -> dict[str, Parameter]:
        """The block's own parameters by leaf name, without its children's."""
        return {}

    def children(self, inputs: Inputs) -> Mapping[str, tuple[Block, Inputs]]:
        """The blocks inside, by attribute path, each with what flows into it."""
        return {}

    def points(self, inputs: Inputs) -> dict[str, Dimension]:
        """The ports whose ids are places in a row, each with the dimension in which these are.

        Where several examples stand in a row, the places of one count from where it starts.
        """
        return {}

    def thresholds(self, inputs: Inputs) -> dict[Dimension, int]:
        """The size of a dimension up to which it computes one way, and beyond it, in part, another.

        Parity runs rows beyond it: a window's edge, distances that share a bucket, a kernel wider than the row.
        """
        return {}

    def cost(self, inputs: Inputs) -> Cost:
        """The block's own cost, without its children's; every dimension of ``inputs`` is known."""
        return Cost()

    def infer_child(self, name: str, inputs: Inputs) -> Outputs:
        """Outputs of one child."""
        block, child_inputs = self.children(inputs)[name]
        return block.infer(child_inputs)


def require_rank(x: TensorSpec, rank: int, layout: str) -> None:
    """Raise ShapeError unless ``x`` has ``rank`` dimensions."""
    if x.rank != rank:
        raise ShapeError(f"needs {layout}, {rank} dimensions")


def require_float(x: TensorSpec) -> None:
    """Raise ShapeError unless ``x`` holds floats."""
    if x.dtype == INT:
        raise ShapeError(f"needs a float input; it is {x.dtype}")


def require_features(x: TensorSpec) -> None:
    """Raise ShapeError unless ``x`` is ``[..., features]``, floats, of a known width."""
    if x.rank < 2 or x.dtype == INT:
        raise ShapeError("needs a float input of at least two dimensions, [..., features]")
    require_known(x, -1)


def require_sequence(x: TensorSpec) -> None:
    """Raise ShapeError unless ``x`` is ``[batch, sequence, hidden]``, floats, of a known width."""
    if x.rank != 3 or x.dtype == INT:
        raise ShapeError("needs [batch, sequence, hidden], floats")
    require_known(x, -1)


def require_ids(inputs: Inputs, *ports: str, shape: tuple[Dimension, ...]) -> None:
    """Raise ShapeError unless each of these ports that is connected takes int32 of ``shape``."""
    for port in ports:
        ids = inputs.get(port)
        if ids is not None and (ids.shape != shape or ids.dtype != INT):
            wanted = ", ".join(map(str, shape))
            raise ShapeError(f"needs {port} [{wanted}], int32; they are {ids} {ids.dtype}")


def require_known(x: TensorSpec, *positions: int) -> None:
    """Raise ShapeError if one of these dimensions is open."""
    for position in positions:
        if isinstance(x.shape[position], str):
            raise ShapeError(f"needs to know the size of {x.shape[position]!r}, which is open")
