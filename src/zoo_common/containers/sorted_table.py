"""A table of keys and values in LevelDB's form, which TensorFlow's index of tensors has.

https://github.com/google/leveldb/blob/main/doc/table_format.md; tensorflow/core/lib/io/format.cc, table_builder.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from zoo_common.containers.crc32c import masked_crc32c
from zoo_common.containers.varints import varint

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
"""The last eight bytes."""
_TRAILER = 5
_SNAPPY = 1


def table_entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each key with its value, in the order of the keys. ``data`` is the whole file.

    Raises ValueError, saying what is wrong, for what is no such table, and for a block whose checksum is another.
    """
    if len(data) < FOOTER or not data.endswith(MAGIC):
        raise ValueError("does not end as a table does")
    footer = data[-FOOTER:]
    _, at = _handle(footer, 0)  # Of the block with statistics, which is empty.
    index, _ = _handle(footer, at)
    last, left = None, len(data)
    for _, handle in _block(data, *index):
        (offset, size), _ = _handle(handle, 0)
        left -= size
        if left < 0:
            raise ValueError("names the same blocks again and again")
        for key, value in _block(data, offset, size):
            if last is not None and key <= last:
                raise ValueError(f"has its keys out of order: {key[:100]!r} after {last[:100]!r}")
            last = key
            yield key, value


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    end = offset + size
    if size < 4 or end + _TRAILER > len(data) - FOOTER:
        raise ValueError(f"has a block of {size:,} bytes at {offset:,}, and ends at {len(data):,}")
    if masked_crc32c(data[offset : end + 1]) != int.from_bytes(data[end + 1 : end + _TRAILER], "little"):
        raise ValueError(f"has a block at byte {offset:,} whose checksum is another; it is damaged")
    if data[end]:
        what = "Snappy" if data[end] == _SNAPPY else f"method {data[end]}"
        raise ValueError(f"is compressed ({what}); TensorFlow's own Saver writes it without")
    restarts = int.from_bytes(data[end - 4 : end], "little")
    limit, at, key = end - 4 * (restarts + 1), offset, b""
    if limit < offset:
        raise ValueError(f"has a block at byte {offset:,} that states more entries than it has room for")
    while at < limit:
        shared, at = varint(data, at)
        rest, at = varint(data, at)
        length, at = varint(data, at)
        if shared > len(key) or at + rest + length > limit:
            raise ValueError(f"has an entry at byte {at:,} that goes beyond its block")
        key = key[:shared] + data[at : at + rest]
        at += rest
        yield key, data[at : at + length]
        at += length
