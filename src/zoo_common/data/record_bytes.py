"""Records of any kind as bytes, and back: what is text as JSON, and behind it the arrays as they are.

A class of records is found by its name among those that are known, plugins' too; nothing is imported or run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_spec.data.records import Answer, Mask, Picture, Record, Samples, Sound, Window
from zoo_spec.errors import InputError

AnyArray = NDArray[np.generic]
_ALIGNED = 16
"""Arrays begin at multiples of so many bytes."""


@dataclass(frozen=True)
class KeptPicture:
    """Pixels ``[height, width, channels]`` as they were read."""

    where: str
    values: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[0], self.values.shape[1]

    def check(self, channels: int) -> None:
        """Raises InputError for other channels than it was kept with."""
        if self.values.shape[2] != channels:
            raise InputError(
                f"{self.where}: was prepared with {self.values.shape[2]} channels, and the model takes {channels}; "
                "prepare it again (zoo data prepare)"
            )

    def pixels(self, channels: int, window: Window | None = None) -> NDArray[np.uint8]:
        """All of them, or a part."""
        self.check(channels)
        return _part(self.values, window)


@dataclass(frozen=True)
class KeptMask:
    """Ids ``[height, width]`` as they were read."""

    values: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[0], self.values.shape[1]

    def ids(self, window: Window | None = None) -> NDArray[np.uint8]:
        """All of them, or a part."""
        return _part(self.values, window)


def _part(values: NDArray[np.uint8], window: Window | None) -> NDArray[np.uint8]:
    if window is None:
        return values
    top, left, height, width = window
    return values[top : top + height, left : left + width]


def to_bytes(record: Record, channels: int) -> tuple[bytes, int]:
    """A record, and how many of its bytes are JSON; pictures are kept with so many ``channels``.

    Raises InputError for a value of a kind that is not known, and whatever reading the record's parts raises.
    """
    arrays: list[AnyArray] = []
    head = {
        field.name: _packed(getattr(record, field.name), arrays, record, channels) for field in fields(record)
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return b"".join(
        [_filled(text), *(_filled(np.ascontiguousarray(array).tobytes()) for array in arrays)]
    ), len(text)


def from_bytes(kind: type[Record], found: NDArray[np.uint8], head: int) -> Record:
    """The record of ``to_bytes``; its arrays are views of ``found``."""
    said = json.loads(found[:head].tobytes().decode("utf-8", "surrogatepass"))
    reader = _Reader(found, head + -head % _ALIGNED, str(said["where"]))
    values = {name: reader.unpacked(value) for name, value in said.items()}
    return kind(**values)  # type: ignore[arg-type]  # As its fields were when it was kept.


def class_named(name: str) -> type[Record]:
    """The class of records that is called so; InputError where none is known."""
    waiting: list[type[Record]] = [Record]
    while waiting:
        found = waiting.pop()
        if found.__name__ == name:
            return found
        waiting += found.__subclasses__()
    raise InputError(f"there are no records of the class {name}; install the plugin that has them")


def _filled(content: bytes) -> bytes:
    return content + bytes(-len(content) % _ALIGNED)


def _packed(value: object, arrays: list[AnyArray], record: Record, channels: int) -> JsonValue:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _packed(value.item(), arrays, record, channels)
    if isinstance(value, Answer):
        return {"answer": [value.text, value.start]}
    if isinstance(value, tuple | list):
        return [_packed(each, arrays, record, channels) for each in value]
    if isinstance(value, Mapping):
        return {
            "mapping": {str(name): _packed(each, arrays, record, channels) for name, each in value.items()}
        }
    if isinstance(value, np.ndarray):
        return _array(value, arrays)
    if _is_picture(value):
        return {"picture": _array(value.pixels(channels), arrays)}
    if _is_mask(value):
        return {"mask": _array(value.ids(), arrays)}
    if _is_sound(value):
        return {"sound": [value.rate, _array(value.read(), arrays)]}
    raise InputError(
        f"{record.where}: {type(record).__name__} holds a {type(value).__name__}, which nobody knows how to keep; "
        "train on these data without preparing them"
    )


def _array(value: AnyArray, arrays: list[AnyArray]) -> JsonValue:
    """Its type and shape; one of texts or byte strings, which have no size of their own, as a list of them."""
    if value.dtype.kind == "O":
        return {
            "objects": [
                each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in value.tolist()
            ],
            "bytes": [isinstance(each, bytes) for each in value.tolist()],
        }
    arrays.append(value)
    return {"array": [value.dtype.str, list(value.shape)]}


class _Reader:
    """Takes values out of a head, and the arrays behind it in their order."""

    def __init__(self, found: NDArray[np.uint8], at: int, where: str) -> None:
        self._found, self._at, self._where = found, at, where

    def unpacked(self, value: JsonValue) -> object:
        """The value."""
        if isinstance(value, list):
            return tuple(self.unpacked(each) for each in value)
        if not isinstance(value, dict):
            return value
        ((kind, content),) = list(value.items())[:1]
        if kind == "answer" and isinstance(content, list):
            return Answer(str(content[0]), int(str(content[1])))
        if kind == "mapping" and isinstance(content, dict):
            return {name: self.unpacked(each) for name, each in content.items()}
        if kind == "picture":
            return KeptPicture(self._where, self._bytes(content))
        if kind == "mask":
            return KeptMask(self._bytes(content))
        if kind == "sound" and isinstance(content, list):
            samples = self.unpacked(content[1])
            assert isinstance(samples, np.ndarray)
            return Samples(samples, int(str(content[0])))
        if kind == "objects" and isinstance(content, list):
            are_bytes = value["bytes"]
            assert isinstance(are_bytes, list)
            objects = np.empty(len(content), dtype=object)
            objects[:] = [
                str(each).encode("latin-1") if raw else str(each)
                for each, raw in zip(content, are_bytes, strict=True)
            ]
            return objects
        return self._next(content)

    def _bytes(self, value: JsonValue) -> NDArray[np.uint8]:
        found = self.unpacked(value)
        assert isinstance(found, np.ndarray)
        return found

    def _next(self, content: JsonValue) -> AnyArray:
        assert isinstance(content, list)
        dtype, shape = np.dtype(str(content[0])), content[1]
        assert isinstance(shape, list)
        sizes = [int(str(each)) for each in shape]
        size = int(np.prod(sizes, dtype=np.int64)) * dtype.itemsize
        begin, self._at = self._at, self._at + size + -size % _ALIGNED
        return self._found[begin : begin + size].view(dtype).reshape(sizes)


def _is_picture(value: object) -> TypeGuard[Picture]:
    return hasattr(value, "pixels")


def _is_mask(value: object) -> TypeGuard[Mask]:
    return hasattr(value, "ids")


def _is_sound(value: object) -> TypeGuard[Sound]:
    return hasattr(value, "rate") and hasattr(value, "read")
