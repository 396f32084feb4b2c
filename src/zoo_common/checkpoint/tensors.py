"""A checkpoint's own files of tensors: what is wrong with one is damage of the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo_common.checkpoint.manifest import DamagedCheckpointError
from zoo_common.containers.safetensors import Safetensors
from zoo_common.weights import WeightSource
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError


class TensorFile(WeightSource):
    """Arrays by name, in a file that is held open: it can be read although it was renamed or removed meanwhile.

    Making it reads the header alone. Raises DamagedCheckpointError unless that is sound and fits the file.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        with _damage_of(path):
            self._held = Safetensors(path, file)
        self.entries = self._held.entries

    def read(self, name: str) -> Array:
        """One array, in memory of its own. Raises DamagedCheckpointError if the file has become shorter."""
        with _damage_of(self._held.path):
            return self._held.read(name)


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    try:
        yield
    except UnreadableFileError as error:
        raise DamagedCheckpointError(path, error.reason) from error
