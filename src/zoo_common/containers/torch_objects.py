"""What torch's pickles hold beside plain data: storages, and the tensors that are views of them.

Sources: ``torch/_utils.py`` (``_rebuild_*``) and ``torch/serialization.py`` (persistent ids), torch 0.4 to 2.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zoo_common.containers.inert import Global, StandIn
from zoo_common.containers.pickle_machine import Call, Calls
from zoo_common.containers.strided import extent, lies_apart

_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_MOST_AXES = 32
_MOST_VALUES = 1 << 60


@dataclass(frozen=True)
class StoredStorage:
    """``count`` values of a dtype that lie in a row under a key; of a part of it (torch 0.4), from ``first`` on."""

    key: str
    dtype: str
    count: int
    first: int = 0


@dataclass(frozen=True)
class StoredTensor:
    """A view of a storage: ``offset`` and ``strides`` count values. ``dtype`` is another than the storage's only
    where that is of plain bytes."""

    storage: StoredStorage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchObjects:
    """Makes storages and tensors of what a pickle says of them, and holds what is said of each storage together."""

    def __init__(self) -> None:
        self.storages: dict[str, StoredStorage] = {}

    def persistent(self, what: tuple[object, ...]) -> object:
        """A storage by its persistent id, or the class of a module that old files hold with its source text."""
        kind, *parts = what
        if kind == "module" and parts:
            return parts[0]
        if kind != "storage" or len(parts) < 4:
            raise ValueError("it asks for an object outside the file that is no storage")
        cls, key, _, count, *view = parts
        if not isinstance(cls, Global) or not isinstance(key, str):
            raise ValueError("a storage is described by what does not describe one")
        dtype = _DTYPES.get(cls.name, str(cls)) if cls.module.partition(".")[0] == "torch" else str(cls)
        storage = StoredStorage(key, dtype, *_numbers((count,)))
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"two tensors name the storage {key!a}, and give it different sizes or dtypes")
        return storage if not view or view[0] is None else _part(storage, view[0])


def _part(storage: StoredStorage, view: object) -> StoredStorage:
    if not isinstance(view, tuple) or len(view) != 3:
        raise ValueError("a part of a storage is described by what does not describe one")
    first, count = _numbers(view[1:])
    if first + count > storage.count:
        raise ValueError(f"a part of the storage {storage.key!a} goes beyond its end")
    return replace(storage, count=count, first=first)


def _numbers(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or len(values) > _MOST_AXES:
        raise ValueError("a tensor has sizes that are none, or too many axes")
    found = tuple(value for value in values if type(value) is int and 0 <= value < _MOST_VALUES)
    if len(found) != len(values):
        raise ValueError("a tensor has sizes that are none")
    return found


def _tensor(arguments: tuple[object, ...]) -> StoredTensor:
    """``_rebuild_tensor(storage, offset, size, stride)`` and, of ``_v2``, its ``requires_grad, hooks, metadata``."""
    if len(arguments) < 4 or not isinstance(arguments[0], StoredStorage):
        raise ValueError("a tensor without a storage")
    if len(arguments) > 6 and arguments[6]:
        raise ValueError("a tensor whose values are to be negated or conjugated is not read here")
    return _view(arguments[0], arguments[0].dtype, 1, arguments[1], arguments[2], arguments[3])


def _tensor_of_bytes(arguments: tuple[object, ...]) -> StoredTensor | StandIn:
    """``_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)``."""
    if (
        len(arguments) < 7
        or not isinstance(arguments[0], StoredStorage)
        or not isinstance(arguments[6], Global)
    ):
        raise ValueError("a tensor without a storage, or a dtype")
    name = arguments[6].name
    size = {"uint16": 2, "uint32": 4, "uint64": 8}.get(name)
    if size is None or any(arguments[7:]):
        return StandIn(arguments[6], ())
    return _view(arguments[0], name, size, arguments[1], arguments[2], arguments[3])


def _view(
    storage: StoredStorage, dtype: str, size: int, offset: object, shape: object, strides: object
) -> StoredTensor:
    (first,) = _numbers((offset,))
    sizes, steps = _numbers(shape), _numbers(strides)
    if len(sizes) != len(steps):
        raise ValueError("a tensor has more sizes than strides, or fewer")
    reach = (first + extent(sizes, steps)) * size
    if reach > storage.count and 0 not in sizes:
        raise ValueError(
            f"a tensor of shape {list(sizes)} reaches to value {reach:,} of the storage {storage.key!a}, which has "
            f"{storage.count:,}"
        )
    if not lies_apart(sizes, steps):
        raise ValueError(f"a tensor of shape {list(sizes)} has values that lie one upon the other")
    return StoredTensor(storage, dtype, first, sizes, steps)


def _first(arguments: tuple[object, ...]) -> object:
    if not arguments:
        raise ValueError("a parameter without a tensor")
    return arguments[0]


def _of_a_class(arguments: tuple[object, ...]) -> object:
    """``_rebuild_from_type_v2(function, class, arguments, state)``: a tensor with attributes of its own."""
    if len(arguments) < 3 or not isinstance(arguments[0], Global) or not isinstance(arguments[2], tuple):
        raise ValueError("a tensor of a class is described by what does not describe one")
    made = _REBUILT.get(arguments[0].name) if arguments[0].module == "torch._utils" else None
    return made(arguments[2]) if made else StandIn(arguments[0], arguments[2])


def _size(arguments: tuple[object, ...]) -> object:
    return _numbers(_first(arguments))


_REBUILT: Mapping[str, Call] = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_tensor_v3": _tensor_of_bytes,
    "_rebuild_parameter": _first,
    "_rebuild_parameter_with_state": _first,
}
TORCH_CALLS: Calls = {
    **{("torch._utils", name): call for name, call in _REBUILT.items()},
    ("torch._tensor", "_rebuild_from_type_v2"): _of_a_class,
    ("torch", "Size"): _size,
}
