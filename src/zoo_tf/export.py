"""A model as a SavedModel, which TensorFlow runs without this package."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import keras
import tensorflow as tf

from zoo_common.backend import Exported
from zoo_tf.container import GraphModel


def export_serving(model: GraphModel, path: str | Path, feature_names: Iterable[str]) -> Exported:
    """Writes a SavedModel whose `serving_default` takes exactly `feature_names`, and never a label.

    It needs TensorFlow alone to be loaded; open dimensions (batch, sequence) stay open. A signature has no
    optional inputs, so every name listed must be given when serving; the outputs are those that the listed
    features lead to. Layers run as in inference.

    Raises:
        InputError: a required input is not listed, or a listed name is no input.
        OSError: the files cannot be written.
    """
    names = list(dict.fromkeys(feature_names))
    chosen = model._complete({name: model.input.get(name) for name in names})
    signature = {
        # The model narrows it itself, and few clients have bfloat16.
        name: tf.TensorSpec(tensor.shape, tensor.dtype.replace("bfloat16", "float32"), name=name)
        for name, tensor in chosen.items()
        if tensor is not None
    }
    # The archive finds the variables of an endpoint itself; tracking the model too would store them twice.
    archive = keras.export.ExportArchive()
    endpoint = archive.add_endpoint(
        "serving_default", lambda features: model(features, training=False), input_signature=[signature]
    )
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        raise _system_error(error, path) from error
    outputs = endpoint.get_concrete_function().structured_outputs
    return Exported(
        ".",
        {name: spec.dtype.name for name, spec in signature.items()},
        {name: value.dtype.name for name, value in outputs.items()},
        (
            "dropout: it computes as in inference",
            "the choice of leaving inputs out: every one is to be given",
        ),
    )


def _system_error(error: tf.errors.OpError, path: str | Path) -> Exception:
    """The operating system's error that TensorFlow tells in words only; else the error itself."""
    for number in errno.errorcode:
        if os.strerror(number) in error.message:
            return OSError(number, os.strerror(number), str(path))
    return error
