"""NumPy's arrays as pickles hold them: a dtype, a shape, and bytes that stay in the file."""

from __future__ import annotations

import re
from math import prod
from typing import BinaryIO

import numpy as np

from zoo_common.containers.inert import Global, StandIn
from zoo_common.containers.pickle_machine import Calls, Stateful
from zoo_common.containers.windows import Span, read_span
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import Name, UnreadableFileError

_PLAIN_CODE = re.compile(r"[biuf](1|2|4|8)|c(8|16)")
_MOST_AXES = 32


class PickledDtype(Stateful):
    """``numpy.dtype(code, align, copy)`` and its state, of which the byte order is what matters."""

    def __init__(self, code: str) -> None:
        self.code, self.order, self.is_plain = code, "=", _PLAIN_CODE.fullmatch(code) is not None

    def set_state(self, state: object) -> None:
        """``(version, order, subdtype, names, fields, size, alignment, flags, ...)``."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise ValueError("a dtype has a state that is none")
        self.order = str(state[1])
        self.is_plain = self.is_plain and state[2:5] == (None, None, None)

    @property
    def dtype(self) -> np.dtype[np.generic] | None:
        """As NumPy has it, in the file's byte order; None for what are no numbers."""
        return np.dtype(self.code).newbyteorder(self.order) if self.is_plain else None  # type: ignore[arg-type]


class PickledArray(Stateful):
    """``_reconstruct(ndarray, (0,), b"b")`` and its state, or ``_frombuffer(bytes, dtype, shape, order)``."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[np.generic] | None = None
        self.in_columns = False
        self.data: bytes | Span = b""

    def set_state(self, state: object) -> None:
        """``(version, shape, dtype, whether in columns first, bytes)``, or the four without a version."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("an array has a state that is none")
        shape, dtype, in_columns, data = state[-4:]
        self.fill(shape, dtype, bool(in_columns), data)

    def fill(self, shape: object, dtype: object, in_columns: bool, data: object) -> None:
        """Take what an array is made of; ValueError if it does not fit together."""
        if not isinstance(dtype, PickledDtype) or not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
            raise ValueError("an array without a dtype or a shape")
        sizes = tuple(size for size in shape if type(size) is int and size >= 0)
        if len(sizes) != len(shape):
            raise ValueError("an array has sizes that are none")
        self.shape, self.dtype, self.in_columns = sizes, dtype.dtype, in_columns
        if self.dtype is None:  # Python objects or text; whoever wants these as numbers is refused.
            return
        data = _as_bytes(data)
        wanted = prod(sizes) * self.dtype.itemsize
        length = data.length if isinstance(data, Span) else len(data)
        # Of a text, each letter is a byte, and takes one or two in the file.
        most = 2 * wanted if isinstance(data, Span) and data.coding == "text" else wanted
        if not wanted <= length <= most:
            raise ValueError(
                f"an array of shape {list(sizes)} should have {wanted:,} bytes, and has {length:,}"
            )
        self.data = data

    def entry(self) -> Entry:
        """Its dtype and shape; ValueError for an array of Python objects or text."""
        if self.dtype is None:
            raise ValueError("is an array of Python objects or text")
        return Entry(self.dtype.newbyteorder("=").name, self.shape)

    def read(self, file: BinaryIO, path: Name) -> Array:
        """Its values, in the machine's own byte order."""
        if self.dtype is None:
            raise UnreadableFileError(path, "an array of Python objects is no tensor")
        count = prod(self.shape)
        if isinstance(self.data, Span):
            flat = read_span(file, path, self.data, self.dtype, count)
        else:
            flat = np.frombuffer(self.data, self.dtype, count).copy()
        if not flat.dtype.isnative:
            flat = flat.byteswap(inplace=True).view(flat.dtype.newbyteorder("="))
        return flat.reshape(self.shape, order="F" if self.in_columns else "C")


def _as_bytes(data: object) -> bytes | Span:
    if isinstance(data, bytes | Span):
        return data
    if isinstance(data, str):
        return data.encode("latin-1")
    raise ValueError("an array's values are no bytes")


def _dtype(arguments: tuple[object, ...]) -> PickledDtype:
    code = arguments[0] if arguments else None
    if isinstance(code, Global):  # A class of NumPy's or of another package's, such as ml_dtypes.bfloat16.
        code = str(code)
    if not isinstance(code, str):
        raise ValueError("a dtype without a name")
    return PickledDtype(code)


def _array(arguments: tuple[object, ...]) -> PickledArray | StandIn:
    if not arguments or not isinstance(arguments[0], Global):
        raise ValueError("an array of no class")
    return PickledArray()


def _array_of_buffer(arguments: tuple[object, ...]) -> PickledArray:
    if len(arguments) != 4:
        raise ValueError("an array of what is none")
    data, dtype, shape, order = arguments
    array = PickledArray()
    array.fill(shape, dtype, order == "F", data)
    return array


def _scalar(arguments: tuple[object, ...]) -> object:
    if len(arguments) != 2 or not isinstance(arguments[0], PickledDtype):
        raise ValueError("a number without a dtype")
    dtype = arguments[0].dtype
    data = _as_bytes(arguments[1])
    if dtype is None:
        return StandIn(Global("numpy", "generic"), ())
    if isinstance(data, Span) or len(data) != dtype.itemsize:
        raise ValueError("a number of another size than its dtype's")
    return np.frombuffer(data, dtype)[0].item()


def _encoded(arguments: tuple[object, ...]) -> bytes | Span:
    """``_codecs.encode(text, "latin1")``, as protocol 2 has bytes."""
    if len(arguments) != 2 or arguments[1] not in ("latin1", "latin-1"):
        raise ValueError("bytes in a coding that is not Latin-1")
    return _as_bytes(arguments[0])


NUMPY_CALLS: Calls = {
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _array_of_buffer,
    ("_codecs", "encode"): _encoded,
}
