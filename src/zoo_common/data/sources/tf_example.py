"""TensorFlow's examples, features by name, out of their bytes and into them, without TensorFlow.

tensorflow/core/example/example.proto and feature.proto; in the wire format of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from zoo_common.containers.varints import message, parts, varint

Values = NDArray[np.generic]
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
"""The fields of a feature, which has one of them."""


def read_example(data: bytes) -> dict[str, Values]:
    """Each feature's values: int64, float32, or ``bytes`` objects; of a SequenceExample a list's values, in turn.

    Raises ValueError, saying what is wrong, for what is no example.
    """
    found: dict[str, Values] = {}
    fields = message(data)
    for field, read in ((1, _values), (2, _listed)):
        for content in parts(fields, field):
            for entry in parts(message(content), 1):
                name, value = _entry(entry)
                if name in found:
                    raise ValueError(f"has the feature {name!r} twice")
                found[name] = read(value)
    return found


def write_example(values: Mapping[str, Values]) -> bytes:
    """The example of these values, one dimension each at most: integers, floats, or ``bytes`` and texts."""
    entries = b""
    for name, value in sorted(values.items()):
        entry = _part(1, name.encode("utf-8")) + _part(2, _feature(np.asarray(value).reshape(-1)))
        entries += _part(1, entry)
    return _part(1, entries)


def _entry(data: bytes) -> tuple[str, bytes]:
    fields = message(data)
    keys, values = parts(fields, 1), parts(fields, 2)
    if len(keys) != 1 or len(values) > 1:
        raise ValueError("has a feature without a name")
    return keys[0].decode("utf-8"), values[0] if values else b""


def _listed(data: bytes) -> Values:
    """Of a list of features, in turn."""
    lists = [_values(each) for each in parts(message(data), 1)]
    return np.concatenate(lists) if lists else np.zeros(0, np.int64)


def _values(data: bytes) -> Values:
    if not data:
        return np.zeros(0, np.int64)
    kind, (size, at) = data[0] >> 3, varint(data, 1)
    content = data[at:]
    if data[0] & 7 != 2 or size != len(content):
        raise ValueError("has a feature that is no list of values")
    if kind == _BYTES:
        texts = parts(message(content), 1)
        found = np.empty(len(texts), dtype=object)
        found[:] = texts
        return found
    if kind == _FLOATS:
        return _floats(content)
    if kind == _INTEGERS:
        return _integers(content)
    raise ValueError(f"has a feature of the unknown kind {kind}")


def _floats(data: bytes) -> Values:
    if data[:1] == b"\x0a":
        size, at = varint(data, 1)
        if at + size == len(data) and not size % 4:
            return np.frombuffer(data, "<f4", offset=at).astype(np.float32)
    values = b"".join(
        value if isinstance(value, bytes) else value.to_bytes(4, "little")
        for value in message(data).get(1, [])
    )
    if len(values) % 4:
        raise ValueError("has a list of floats that is not whole")
    return np.frombuffer(values, "<f4").astype(np.float32)


def _integers(data: bytes) -> Values:
    if data[:1] == b"\x0a":
        size, at = varint(data, 1)
        if at + size == len(data):
            return _varints(np.frombuffer(data, np.uint8, offset=at))
    found: list[Values] = [np.zeros(0, np.int64)]
    for value in message(data).get(1, []):
        if isinstance(value, bytes):
            found.append(_varints(np.frombuffer(value, np.uint8)))
        else:
            found.append(np.asarray([value], np.uint64).view(np.int64))
    return np.concatenate(found)


def _varints(data: NDArray[np.uint8]) -> Values:
    """All numbers of a packed list at once: seven bits a byte, the lowest first."""
    is_last = data < 0x80
    if not data.size or is_last.all():
        return data.astype(np.int64)
    if not is_last[-1]:
        raise ValueError("a number has no end")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise ValueError("a number has no end")
    places = np.arange(data.size) - np.repeat(starts, lengths)
    bits = (data & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.asarray(np.bitwise_or.reduceat(bits, starts)).view(np.int64)


def _feature(values: Values) -> bytes:
    if values.dtype.kind in "OSU":
        texts = [
            value.encode("utf-8") if isinstance(value, str) else bytes(value) for value in values.tolist()
        ]
        return _part(_BYTES, b"".join(_part(1, text) for text in texts))
    if values.dtype.kind == "f":
        return _part(_FLOATS, _part(1, values.astype("<f4").tobytes()))
    if values.dtype.kind in "iub":
        packed = b"".join(_varint(int(value) & (2**64 - 1)) for value in values)
        return _part(_INTEGERS, _part(1, packed))
    raise ValueError(f"values of {values.dtype} have no place in an example; give integers, floats or texts")


def _part(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
