"""What a torch model is written as, by the name of the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from zoo_common.backend import Exported
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_torch.container import Model
from zoo_torch.export import PROGRAM, export_serving
from zoo_torch.onnx_export import FILE, export_onnx

Writer: TypeAlias = Callable[[Model, Graph, Path, Sequence[str]], Exported]
"""Given a model, its graph, an empty directory and the features to take."""


def _torch_export(model: Model, graph: Graph, directory: Path, features: Sequence[str]) -> Exported:
    return export_serving(model, graph, directory / PROGRAM, features)


def _onnx(model: Model, graph: Graph, directory: Path, features: Sequence[str]) -> Exported:
    return export_onnx(model, graph, directory / FILE, features)


WRITERS: dict[str, Writer] = {"torch_export": _torch_export, "onnx": _onnx}
"""A plugin's half for torch may add to them, for ``zoo export --framework torch --format NAME``."""


def write(model: Model, graph: Graph, directory: Path, features: Sequence[str], format: str) -> Exported:
    """Write the model in this format; InputError if there is none of that name."""
    if format not in WRITERS:
        raise InputError(f"no format {format!r} of torch; it writes {', '.join(WRITERS)}")
    return WRITERS[format](model, graph, directory, features)
