"""The inputs that token models share, under the names and shapes that every model uses."""

from __future__ import annotations

from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.tensors import FLOAT, INT, TensorSpec

TOKENS = ("batch", "sequence")

PACKED_ONLY = ("positions", "pooled_positions")
"""Optional inputs that say something only of rows with several examples."""


def token_inputs(graph: GraphBuilder, max_positions: int, *, token_types: bool) -> tuple[Ref, Ref | None]:
    """``input_ids`` and, if the model has them, ``token_type_ids``, all 0 if left out."""
    ids = graph.input(
        "input_ids", TensorSpec(TOKENS, INT, description="tokens"), bounds={"sequence": max_positions}
    )
    if not token_types:
        return ids, None
    spec = TensorSpec(TOKENS, INT, optional=True, description="sentence A (0) or B (1)")
    return ids, graph.input("token_type_ids", spec)


def packing_inputs(graph: GraphBuilder) -> tuple[Ref, Ref]:
    """``example_ids`` (0 is padding, examples count from 1) and ``positions`` within each example."""
    example_ids = TensorSpec(TOKENS, INT, optional=True, description="0 is padding, examples count from 1")
    positions = TensorSpec(TOKENS, INT, optional=True, description="position within a packed example")
    return graph.input("example_ids", example_ids), graph.input("positions", positions)


def pooled_positions_input(graph: GraphBuilder) -> Ref:
    """``pooled_positions``: where each packed example starts."""
    spec = TensorSpec(
        ("batch", "examples"), INT, optional=True, description="where each packed example starts"
    )
    return graph.input("pooled_positions", spec)


def image_input(graph: GraphBuilder, height: int, width: int, channels: int) -> Ref:
    """``image [batch, height, width, channels]``, in both frameworks."""
    spec = TensorSpec(
        ("batch", height, width, channels), FLOAT, axes=("batch", "height", "width", "channels")
    )
    return graph.input("image", spec)
