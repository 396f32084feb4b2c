"""Protocol buffers' wire format, as little of it as indexes of tensors and lists of pieces need.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from typing import TypeAlias

_FIXED = {1: 8, 5: 4}
_LONGEST = 10
"""Bytes of a number of 64 bits, seven in each."""

Fields: TypeAlias = dict[int, list[int | bytes]]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where what follows it begins. Raises ValueError where none is whole there."""
    value = 0
    for index, byte in enumerate(data[at : at + _LONGEST]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2**64 - 1), at + index + 1
    raise ValueError("a number has no end")


def message(data: bytes, most: int | None = None) -> Fields:
    """Each field's values, in their order: numbers, or the bytes of texts and messages inside.

    Raises ValueError for what is no message, or has more than ``most`` values.
    """
    fields: Fields = {}
    at = count = 0
    while at < len(data):
        count += 1
        if most is not None and count > most:
            raise ValueError(f"a message has more than {most:,} values")
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == 0:
            value, at = varint(data, at)
        elif kind in (1, 2, 5):
            size, at = varint(data, at) if kind == 2 else (_FIXED[kind], at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError("a field ends beyond its message")
            value = int.from_bytes(value, "little") if kind != 2 else value
        else:
            raise ValueError(f"a field is of the unknown wire type {kind}")
        fields.setdefault(number, []).append(value)
    return fields


def number(fields: Fields, field: int, usual: int = 0) -> int:
    """The last value of a field of numbers, ``usual`` where it is not there. Raises ValueError for a text."""
    value = fields.get(field, [usual])[-1]
    if not isinstance(value, int):
        raise ValueError(f"the field {field} is no number")
    return value


def parts(fields: Fields, field: int) -> list[bytes]:
    """Every value of a field of texts or messages. Raises ValueError for a number."""
    found = [value for value in fields.get(field, []) if isinstance(value, bytes)]
    if len(found) != len(fields.get(field, [])):
        raise ValueError(f"the field {field} is no text")
    return found
