"""The inputs that token models share, under the names and shapes that every model uses."""

from __future__ import annotations

from zoo_spec.graph import Bound, GraphBuilder, Ref
from zoo_spec.tensors import FLOAT, INT, TensorSpec

TOKENS = ("batch", "sequence")
SAMPLES = ("batch", "samples")
TARGETS = ("batch", "target_sequence")

PACKED_ONLY = ("positions", "decoder_positions", "pooled_positions")
"""Optional inputs that say something only of rows with several examples."""

TRAINING_ONLY = ("frame_mask",)
"""Optional inputs that hide something for the model to tell."""


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
    positions = TensorSpec(TOKENS, INT, optional=True, description="position within a packed example")
    return example_ids_input(graph), graph.input("positions", positions)


def example_ids_input(graph: GraphBuilder) -> Ref:
    """``example_ids``: 0 is padding, examples count from 1."""
    spec = TensorSpec(TOKENS, INT, optional=True, description="0 is padding, examples count from 1")
    return graph.input("example_ids", spec)


def target_inputs(graph: GraphBuilder, max_positions: int) -> tuple[Ref, Ref]:
    """``decoder_input_ids``, and ``decoder_example_ids``, whose examples read those of ``example_ids``."""
    ids = TensorSpec(TARGETS, INT, description="tokens before the one to predict")
    examples = TensorSpec(TARGETS, INT, optional=True, description="0 is padding, examples count from 1")
    return (
        graph.input("decoder_input_ids", ids, bounds={"target_sequence": max_positions}),
        graph.input("decoder_example_ids", examples),
    )


def decoder_positions_input(graph: GraphBuilder) -> Ref:
    """``decoder_positions`` within each packed example."""
    spec = TensorSpec(TARGETS, INT, optional=True, description="position within a packed example")
    return graph.input("decoder_positions", spec)


def pooled_positions_input(graph: GraphBuilder) -> Ref:
    """``pooled_positions``: where each packed example starts."""
    spec = TensorSpec(
        ("batch", "examples"), INT, optional=True, description="where each packed example starts"
    )
    return graph.input("pooled_positions", spec)


def image_input(graph: GraphBuilder, height: int, width: int, channels: int) -> Ref:
    """``image [batch, height, width, channels]``, in both frameworks."""
    axes = ("batch", "height", "width", "channels")
    spec = TensorSpec(
        ("batch", height, width, channels), FLOAT, axes=axes, description="pixels, as the data scale them"
    )
    return graph.input("image", spec)


def waveform_inputs(graph: GraphBuilder, *, least: int, most: int) -> tuple[Ref, Ref]:
    """``waveform [batch, samples]`` of ``least`` to ``most`` samples, and ``sample_ids``, 0 for padding."""
    graph.bounds["samples"] = Bound(most, least)
    ids = TensorSpec(SAMPLES, INT, optional=True, description="1, and 0 for padding at the end")
    waveform = TensorSpec(SAMPLES, FLOAT, description="sound, as the data scale it")
    return graph.input("waveform", waveform), graph.input("sample_ids", ids)
