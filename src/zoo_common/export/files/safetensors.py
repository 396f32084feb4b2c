"""Weights under their canonical names in one safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zoo_common.containers.safetensors_writing import file_size, tensor_chunks
from zoo_common.export.folder import put
from zoo_common.export.formats import FileFormat, Trained, Written
from zoo_common.export.programs import OPTIMIZER

FILE = "weights.safetensors"
METADATA = {"format": "pt"}
"""That layouts are torch's, as everybody's readers of such files ask to be told."""


class SafetensorsFiles(FileFormat):
    """``weights.safetensors``: canonical names, torch's layouts, the checkpoint's own precision."""

    kind: Literal["safetensors"] = "safetensors"

    def needed(self, trained: Trained) -> int:
        """The file's length."""
        return file_size(trained.weights, METADATA)

    def write(self, trained: Trained, directory: Path) -> Written:
        """The weights, and beside them what the run keeps."""
        with (directory / FILE).open("wb") as file:
            for chunk in tensor_chunks(trained.weights, METADATA):
                file.write(chunk)
        put(trained.beside, directory)
        return Written(
            (FILE, *trained.beside),
            (OPTIMIZER, "anything that computes: spec.yaml says what the weights are of"),
        )
