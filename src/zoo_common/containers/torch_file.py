"""What ``torch.save`` wrote: the zip form of torch 1.6 and later, and the form before it."""

from __future__ import annotations

import os
import struct
from math import prod
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from zoo_common.containers.base import Container, first_bytes
from zoo_common.containers.few_open import closed_if_it_fails
from zoo_common.containers.inert import StandIn
from zoo_common.containers.numpy_pickles import NUMPY_CALLS
from zoo_common.containers.pickle_machine import Calls
from zoo_common.containers.pickles import read_pickle
from zoo_common.containers.stored_zip import StoredZip
from zoo_common.containers.strided import read_view
from zoo_common.containers.torch_objects import TORCH_CALLS, StoredTensor, TorchObjects
from zoo_common.containers.windows import Window, read_array
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import Name, open_file, printable, reading

_ZIP = b"PK\3\4"
_MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")
_PROTOCOL = 1001
_PLACES = ("model", "state_dict", "model_state_dict", "module", "network", "net", "weights")
_CALLS: Calls = {**TORCH_CALLS, **NUMPY_CALLS}


class TorchFile(Container):
    """A ``state_dict``, alone or in a larger file: the dictionary of tensors at the top or below a key, ``place``.

    What else the file holds is in ``objects`` (beside the place) and ``others`` (between the tensors), as data:
    Python objects are stand-ins, and nothing of the file is ever called. Views, transposed and shared tensors are
    read in memory of their own, one at a time.
    """

    format: ClassVar[str] = "torch"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = open_file(path)
        with closed_if_it_fails(self._file), reading(path):
            self._size = os.fstat(self._file.fileno()).st_size
            form = _ZipForm if self._file.read(4) == _ZIP else _OldForm
            self._form = form(self._file, path, self._size)
            self._take(self._form.content)

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """The zip form by its ``data.pkl``, the older one by its number."""
        head = first_bytes(path, 32)
        if head[:4] != _ZIP:
            return head[:1] == b"\x80" and _MAGIC_BYTES in head
        with open_file(path) as file, reading(path):
            return _ZipForm.fits(StoredZip(file, path, os.fstat(file.fileno()).st_size))

    def read(self, name: str) -> Array:
        """The tensor; the values between those of a view are read, and not kept."""
        tensor = self._tensors[name]
        size = np.dtype(tensor.dtype).itemsize
        before = tensor.storage.first * np.dtype(tensor.storage.dtype).itemsize

        def read(first: int, count: int) -> Array:
            start = self._form.start(tensor.storage.key) + before + first * size
            array = read_array(self._file, self.path, start, np.dtype(tensor.dtype), count)
            if self._form.swapped:
                _swap(array)
            return array

        with reading(self.path):
            return read_view(read, tensor.offset, tensor.shape, tensor.strides)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, content: object) -> None:
        self.place, found = _state_dict(content)
        tensors = {name: value for name, value in found.items() if isinstance(value, StoredTensor)}
        self.others = {name: value for name, value in found.items() if name not in tensors}
        self.not_tensors = tuple(map(str, self.others))
        for name, value in self.others.items():
            if isinstance(value, StandIn) and value.made_by.module.partition(".")[0] == "torch":
                raise self.damage(
                    f"{printable(str(name))} is made by {value.made_by}, and such tensors are not read here"
                )
        if not tensors:
            raise self.damage(
                f"holds {_told(content)} and no state_dict, neither at the top nor below {', '.join(_PLACES)}; save "
                "the model's state_dict() with torch.save"
            )
        top = content if isinstance(content, dict) else {}
        self.objects = {str(key): value for key, value in top.items() if self.place and key != self.place}
        self._tensors = {str(name): tensor for name, tensor in tensors.items()}
        self.entries = {name: self._entry(name, tensor) for name, tensor in self._tensors.items()}

    def _entry(self, name: str, tensor: StoredTensor) -> Entry:
        try:
            size = prod(tensor.shape) * np.dtype(tensor.dtype).itemsize
        except TypeError:
            raise self.damage(
                f"{printable(name)} is a tensor of {tensor.dtype}, which is not read here"
            ) from None
        # A view may repeat values (expand), and so be of any size in a file of any other.
        if size > self._size:
            raise self.damage(
                f"{printable(name)} would have {size:,} bytes, more than the file that it is in"
            )
        return Entry(tensor.dtype, tensor.shape)


class _ZipForm:
    """``TOP/data.pkl``, ``TOP/data/KEY`` for each storage, and ``TOP/byteorder`` in newer ones."""

    def __init__(self, file: BinaryIO, path: Name, size: int) -> None:
        members = StoredZip(file, path, size)
        members.check()
        top = self._top(members)
        objects = TorchObjects()
        window = members.window(f"{top}data.pkl")
        self.content = read_pickle(window, _CALLS, objects.persistent)
        self.swapped = False
        if f"{top}byteorder" in members:
            order = members.window(f"{top}byteorder")
            self.swapped = order.read(min(order.left, 16)) == b"big"
        self._starts: dict[str, int] = {}
        for key, storage in objects.storages.items():
            name = f"{top}data/{key}"
            if name not in members:
                window.refuse(f"its storage {key!a} is not there")
            part = members.window(name)
            wanted = storage.count * _item_size(storage.dtype)
            if wanted and part.left != wanted:
                window.refuse(f"its storage {key!a} is {part.left:,} bytes long, and should have {wanted:,}")
            self._starts[key] = part.position

    def start(self, key: str) -> int:
        """Where a storage's values begin."""
        return self._starts[key]

    @classmethod
    def fits(cls, members: StoredZip) -> bool:
        """Whether a zip file is of this form."""
        return any(name.count("/") == 1 and name.endswith("/data.pkl") for name in members.names)

    def _top(self, members: StoredZip) -> str:
        return next(name for name in members.names if name.count("/") == 1 and name.endswith("/data.pkl"))[
            :-8
        ]


class _OldForm:
    """Pickles in a row (a number, the protocol, the system, the object, the storages' keys), then each storage: the
    number of its values in eight bytes, and the values, always with the low byte first."""

    swapped = False

    def __init__(self, file: BinaryIO, path: Name, size: int) -> None:
        window = Window(file, path, 0, size)
        magic, protocol = read_pickle(window, {}), read_pickle(window, {})
        if magic != _MAGIC or protocol != _PROTOCOL:
            window.refuse("is no file of torch's older form, or of a version that is not known here")
        read_pickle(window, {})
        objects = TorchObjects()
        self.content = read_pickle(window, _CALLS, objects.persistent)
        keys = read_pickle(window, {})
        names = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
        if sorted(names) != sorted(objects.storages):
            window.refuse("it lists other storages than its tensors have")
        self._starts: dict[str, int] = {}
        for key in names:
            storage = objects.storages[key]
            if not _item_size(storage.dtype):
                window.refuse(
                    f"its storage {key!a} is of {storage.dtype}, and how long that is is not known here"
                )
            count = struct.unpack("<q", window.read(8))[0]
            if count != storage.count:
                window.refuse(f"its storage {key!a} has {count:,} values, and should have {storage.count:,}")
            self._starts[key] = window.skip(count * _item_size(storage.dtype))

    def start(self, key: str) -> int:
        """Where a storage's values begin."""
        return self._starts[key]


def _item_size(dtype: str) -> int:
    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return 0


def _swap(array: Array) -> None:
    width = array.itemsize // 2 if array.dtype.kind == "c" else array.itemsize
    array.view(f"u{width}").byteswap(inplace=True)


def _state_dict(content: object) -> tuple[str, dict[object, object]]:
    if not isinstance(content, dict):
        return "", {}
    for place in _PLACES:
        inner = content.get(place)
        if isinstance(inner, dict) and any(isinstance(value, StoredTensor) for value in inner.values()):
            return place, inner
    return "", content


def _told(content: object) -> str:
    if isinstance(content, StandIn):
        return f"an object of the class {content.made_by}"
    if isinstance(content, dict):
        keys = ", ".join(printable(str(key))[:40] for key in list(content)[:8])
        return f"a dictionary of {keys}" if keys else "an empty dictionary"
    return f"a value of type {type(content).__name__}"
