"""Numbers of bytes as people write them: ``64GB``, ``16GiB``, ``4096``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGTP", 1)
    for suffix, base in (("B", 1000), ("IB", 1024))
}
_SAID = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def byte_count(value: object) -> object:
    """The number of bytes that a text says; anything else as it is. Raises ValueError for a text that says none."""
    if not isinstance(value, str):
        return value
    found = _SAID.fullmatch(value.strip())
    if found is None or found[2].upper() not in _UNITS:
        raise ValueError(f"{value!r} is no number of bytes; write 64GB, 16GiB or 4096")
    return round(float(found[1]) * _UNITS[found[2].upper()])


ByteCount = Annotated[int, Field(gt=0), BeforeValidator(byte_count)]
"""A positive number of bytes, written with a unit or without one."""
