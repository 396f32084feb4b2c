"""TensorFlow's V2 checkpoints written by hand, so that one can be wrong in a single place and whole elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import google_crc32c
import numpy as np

MAGIC = bytes.fromhex("57fb808b247547db")
CODES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10, "bfloat16": 14, "float16": 19}


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]], method: int = 0) -> bytes:
    data, before = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    data += (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes([method])
    return data + masked(data)


def table(entries: list[tuple[bytes, bytes]], method: int = 0) -> bytes:
    body = block(entries, method)
    meta_at, meta = len(body), block([])
    index_at = meta_at + len(meta)
    index = block([(entries[-1][0] + b"\xff", varint(0) + varint(len(body) - 5))])
    footer = varint(meta_at) + varint(len(meta) - 5) + varint(index_at) + varint(len(index) - 5)
    return body + meta + index + footer.ljust(40, b"\0") + MAGIC


def entry(array: np.ndarray, start: int, **other: int | bytes) -> bytes:
    """A tensor's description; ``other`` are fields that say something else."""
    data = array.tobytes()
    shape = b"".join(field(2, field(1, size)) for size in array.shape)
    said = {
        "dtype": CODES[array.dtype.name],
        "shape": shape,
        "shard": 0,
        "offset": start,
        "size": len(data),
        **other,
    }
    crc = bytes([6 << 3 | 5]) + masked(data)
    rest = field(7, said["slices"]) if "slices" in said else b""
    return (
        field(1, said["dtype"])
        + field(2, said["shape"])
        + field(3, said["shard"])
        + field(4, said["offset"])
        + field(5, said["size"])
        + crc
        + rest
    )


HEADER = field(1, 1) + field(3, field(1, 1))


def write_bundle(
    prefix: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    wrong: Mapping[str, Mapping[str, int | bytes]] | None = None,
    header: bytes = HEADER,
    method: int = 0,
) -> Path:
    """A checkpoint in one data file; ``wrong`` are fields, by a tensor's name, in place of what is right."""
    entries, data = [(b"", header)], b""
    for name in sorted(arrays, key=str.encode):
        entries.append((name.encode(), entry(arrays[name], len(data), **(wrong or {}).get(name, {}))))
        data += arrays[name].tobytes()
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries, method))
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    return prefix
