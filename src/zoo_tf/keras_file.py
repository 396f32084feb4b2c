"""A model as Keras' own file, which `keras.models.load_model` reads where `zoo_tf` is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo_common.backend import Exported
from zoo_common.export import serving_features
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph
from zoo_tf.container import GraphModel

FILE = "model.keras"


def save_keras(model: GraphModel, graph: Graph, path: Path, feature_names: Sequence[str]) -> Exported:
    """Writes the whole model: every input, optional ones as such, labels and the loss, dropout.

    Raises:
        InputError: other features are listed than those that a program takes by itself.
        OSError: the file cannot be written.
    """
    if list(feature_names) != serving_features(graph):
        raise InputError(
            "a .keras file is the whole model, and takes whatever it is given; leave --features out"
        )
    model.save(path)
    return Exported(
        path.name,
        {name: tensor.dtype for name, tensor in model.input.items()},
        {name: tensor.dtype for name, tensor in model.output.items()},
        ("the blocks' code: `import zoo_tf` before keras.models.load_model",),
    )
