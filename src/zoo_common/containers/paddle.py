"""What ``paddle.save`` wrote: ``.pdparams``, one pickle of a dictionary of NumPy's arrays.

Source: PaddlePaddle/Paddle, python/paddle/framework/io.py and io_utils.py (``_unpack_saved_dict``,
``_pack_loaded_dict``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from zoo_common.containers.base import Container, first_bytes
from zoo_common.containers.few_open import closed_if_it_fails
from zoo_common.containers.numpy_pickles import NUMPY_CALLS, PickledArray
from zoo_common.containers.pickles import read_pickle
from zoo_common.containers.torch_file import TorchFile
from zoo_common.containers.windows import Window
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import open_file, printable, reading

_NAMES = "StructuredToParameterName@@"
_CUT = "UnpackBigParamInfor@@"


class PaddleFile(Container):
    """Arrays by their structured names; ``names`` has Paddle's own name of each, where the file says it.

    A tensor is an array, or a pair of a name and an array. One that was cut into parts, as pickles of protocols 2
    and 3 need above 1 GB, is whole again. What is no array is in ``others``.
    """

    format: ClassVar[str] = "paddle"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = open_file(path)
        with closed_if_it_fails(self._file), reading(path):
            size = os.fstat(self._file.fileno()).st_size
            window = Window(self._file, path, 0, size)
            self._take(read_pickle(window, NUMPY_CALLS))

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """A pickle of protocol 2 or later that is not torch's."""
        head = first_bytes(path, 2)
        return head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5") and not TorchFile.sniff(path)

    def read(self, name: str) -> Array:
        """The array."""
        tensor = self._tensors[name]
        with reading(self.path):
            return tensor.read(self._file, self.path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, content: object) -> None:
        if not isinstance(content, dict):
            raise self.damage("holds no dictionary of arrays, as a file of paddle.save does")
        names = content.pop(_NAMES, {})
        self.names = {str(key): str(value) for key, value in names.items()} if isinstance(names, dict) else {}
        cut = content.pop(_CUT, {})
        found = {str(name): _array_of(value) for name, value in content.items()}
        self._tensors: dict[str, PickledArray | _Parts] = {
            name: value for name, value in found.items() if value is not None
        }
        self.others = {str(name): value for name, value in content.items() if found[str(name)] is None}
        self.not_tensors = tuple(self.others)
        if not isinstance(cut, dict):
            raise self.damage(f"its {_CUT} is no dictionary")
        for name, how in cut.items():
            self._join(str(name), how)
        if not self._tensors:
            raise self.damage("holds no arrays, as a file of paddle.save does")
        self.entries = {}
        for name, tensor in self._tensors.items():
            try:
                self.entries[name] = tensor.entry()
            except ValueError as error:
                raise self.damage(f"{printable(name)} {error}") from None

    def _join(self, name: str, how: object) -> None:
        shape = how.get("OriginShape") if isinstance(how, dict) else None
        slices = how.get("slices") if isinstance(how, dict) else None
        if not isinstance(shape, tuple | list) or not isinstance(slices, list) or not slices:
            raise self.damage(f"{printable(name)} is cut into parts that are not told")
        sizes = tuple(size for size in shape if type(size) is int and size >= 0)
        parts = [self._tensors.pop(str(part), None) for part in slices]
        arrays = tuple(part for part in parts if isinstance(part, PickledArray))
        if len(arrays) < len(parts) or name in self._tensors:
            raise self.damage(f"{printable(name)} is cut into parts of which one is missing, or there twice")
        joined = _Parts(sizes, arrays)
        if len(sizes) < len(shape) or not joined.fit:
            raise self.damage(
                f"{printable(name)} of shape {list(sizes)} is cut into parts that are none of it"
            )
        self._tensors[name] = joined


@dataclass(frozen=True)
class _Parts:
    shape: tuple[int, ...]
    arrays: tuple[PickledArray, ...]

    @property
    def fit(self) -> bool:
        """Whether the parts are of one kind and as many values as the shape has."""
        dtypes = {array.dtype for array in self.arrays}
        return len(dtypes) == 1 and sum(prod(array.shape) for array in self.arrays) == prod(self.shape)

    def entry(self) -> Entry:
        """The dtype of the parts, the shape of the whole."""
        return Entry(self.arrays[0].entry().dtype, self.shape)

    def read(self, file: BinaryIO, path: Path) -> Array:
        """The parts, one after the other."""
        whole = np.empty(prod(self.shape), self.entry().dtype)
        filled = 0
        for array in self.arrays:
            part = array.read(file, path).reshape(-1)
            whole[filled : filled + len(part)] = part
            filled += len(part)
        return whole.reshape(self.shape)


def _array_of(value: object) -> PickledArray | None:
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    return value if isinstance(value, PickledArray) else None
