"""What a reader of a file with tensors is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import ml_dtypes  # It makes "bfloat16" a dtype of NumPy's.
import numpy as np

from zoo_common.weights import WeightSource
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError, open_file, reading

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
"""``np.dtype("bfloat16")``, of which NumPy itself has no arithmetic."""


class Container(WeightSource):
    """A file, or the files of one checkpoint, held open: tensors by the names there, unchanged.

    Making one reads what is known of the tensors and no values. Dtypes are NumPy's, and ``bfloat16``. Raises
    InputError, naming the file, for what is damaged, too large or not supported; nothing in a file is ever run.
    """

    format: ClassVar[str]
    not_tensors: Sequence[str] = ()
    """Names that stand among the tensors', of what is none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @abstractmethod
    def sniff(cls, path: Path) -> bool:
        """Whether what is at ``path`` begins as this format does; a few bytes are read."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; nothing can be read any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def damage(self, reason: str) -> UnreadableFileError:
        """The error that says what is wrong with this file."""
        return UnreadableFileError(self.path, reason)


def first_bytes(path: Path, count: int) -> bytes:
    """The beginning of a regular file; nothing where there is none, or a folder."""
    if not path.is_file():
        return b""
    with open_file(path) as file, reading(path):
        return file.read(count)


def native(array: Array) -> Array:
    """The array in the machine's byte order, turned in its own memory."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
