"""What a Keras model is written as, by the name of the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from zoo_common.backend import Exported
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_tf.container import GraphModel
from zoo_tf.export import export_serving
from zoo_tf.keras_file import FILE, save_keras

Writer: TypeAlias = Callable[[GraphModel, Graph, Path, Sequence[str]], Exported]
"""Given a model, its graph, an empty directory and the features to take."""


def _saved_model(model: GraphModel, graph: Graph, directory: Path, features: Sequence[str]) -> Exported:
    return export_serving(model, directory, features)


def _keras(model: GraphModel, graph: Graph, directory: Path, features: Sequence[str]) -> Exported:
    return save_keras(model, graph, directory / FILE, features)


WRITERS: dict[str, Writer] = {"saved_model": _saved_model, "keras": _keras}
"""A plugin's half for TensorFlow may add to them, for ``zoo export --framework tf --format NAME``."""


def write(model: GraphModel, graph: Graph, directory: Path, features: Sequence[str], format: str) -> Exported:
    """Write the model in this format; InputError if there is none of that name."""
    if format not in WRITERS:
        raise InputError(f"no format {format!r} of tf; it writes {', '.join(WRITERS)}")
    return WRITERS[format](model, graph, directory, features)
