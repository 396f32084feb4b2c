"""A checkpoint's own files of tensors: what is wrong with one is damage of the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from zoo_common.checkpoint.manifest import DamagedCheckpointError
from zoo_common.containers.safetensors import Safetensors
from zoo_common.weights import Choice, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError, printable


class TensorFile(WeightSource):
    """Arrays by name, in a file that is held open: it can be read although it was renamed or removed meanwhile.

    Making it reads the header alone. Raises DamagedCheckpointError unless that is sound and fits the file.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        with _damage_of(path):
            self._held = Safetensors(path, file)
        self.entries = self._held.entries
        self._one_at_a_time = Lock()

    def read(self, name: str) -> Array:
        """One array, in memory of its own. Raises DamagedCheckpointError if the file has become shorter."""
        with self._one_at_a_time, _damage_of(self._held.path):
            return self._held.read(name)


def joined(files: Sequence[TensorFile]) -> WeightSource:
    """The tensors of several files as of one. Raises DamagedCheckpointError for a name that two of them have."""
    owners: dict[str, TensorFile] = {}
    for file in files:
        for name in file:
            if name in owners:
                where = owners[name].path.name
                raise DamagedCheckpointError(file.path, f"has {printable(name)}, which {where} has too")
            owners[name] = file
    return Choice(*files)


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    try:
        yield
    except UnreadableFileError as error:
        raise DamagedCheckpointError(path, error.reason) from error
