"""Objects through a pipe between two processes of ours: a pickle, and the bytes of its arrays as they are."""

from __future__ import annotations

import io
import pickle
import struct

_NUMBER = struct.Struct("<Q")


def send(pipe: io.FileIO, content: object) -> None:
    """Write one object; BrokenPipeError where nobody reads any more."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(content, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(head), *(array.raw() for array in arrays)]
    sizes = b"".join(_NUMBER.pack(part.nbytes) for part in parts)
    for part in (memoryview(_NUMBER.pack(len(parts)) + sizes), *parts):
        while part:
            part = part[pipe.write(part) :]


def receive(pipe: io.FileIO) -> object:
    """The next object, whose arrays can be written to; EOFError where the other end has been closed."""
    (count,) = _NUMBER.unpack(_read(pipe, _NUMBER.size))
    sizes = [_NUMBER.unpack(_read(pipe, _NUMBER.size))[0] for _ in range(count)]
    head, *arrays = (_read(pipe, size) for size in sizes)
    found: object = pickle.loads(head, buffers=arrays)
    return found


def _read(pipe: io.FileIO, size: int) -> bytearray:
    whole = bytearray(size)
    left = memoryview(whole)
    while left:
        count = pipe.readinto(left)
        if not count:
            raise EOFError
        left = left[count:]
    return whole
