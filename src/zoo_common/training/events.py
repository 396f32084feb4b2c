"""TensorBoard's event files, written without a framework and without a thread.

An event file is a TFRecord file of ``Event`` messages (tensorflow/core/util/event.proto). The three fields of
them that scalars need are encoded here: the packages that do it import torch or TensorFlow where these are
installed, and write from a background thread, whose error on a full disk nobody sees.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from zoo_common.files import explained

TAGS = {
    "loss": ("what is minimised", "nats, where it is a cross-entropy"),
    "<part>_loss": ("each term of the loss, where there are several", "as the loss"),
    "learning_rate": ("the rate that the step was taken with", "none"),
    "gradient_norm": ("Euclidean norm of all gradients, before clipping", "none"),
    "examples_per_second": ("examples over the time of data and computation", "examples/s"),
    "tokens_per_second": ("the same for tokens that are not padding", "tokens/s"),
    "time/step_seconds": ("a step, the next four together", "seconds"),
    "time/data_seconds": ("of it, waiting for the batch", "seconds"),
    "time/files_seconds": ("of it, waiting for files, where weights are streamed", "seconds"),
    "time/compute_seconds": ("of it, forward, backward and update", "seconds"),
    "time/save_seconds": ("of it, writing checkpoints, spread over the steps", "seconds"),
    "files/read_bytes": ("weights and optimizer state that a step reads, where they are streamed", "bytes"),
    "files/written_bytes": ("those that it writes", "bytes"),
    "memory/resident_bytes": ("main memory that the process holds", "bytes"),
    "memory/device_bytes": ("memory held on the accelerator, where there is one", "bytes"),
}
"""What a training step's tags mean, and their units; both frameworks write the same ones.

Times and rates are means over the steps since the last logged one. An evaluation has ``loss``, its parts and
the task's metrics, such as ``accuracy``, a fraction.
"""

_PREFIX = "events.out.tfevents."


class EventWriter:
    """Appends the scalars of one split to an event file of its own, a new file for each start of the run.

    ``directory`` is the split's (``events/train``, ``events/eval``), so that TensorBoard draws both splits'
    ``loss`` in one chart. What an interrupted run logged after step ``start``, the steps done, is superseded:
    the first event tells TensorBoard to drop it. Nothing is written before the first ``add``.
    """

    def __init__(self, directory: Path, start: int) -> None:
        self.directory = directory
        self.start = start
        self._file: FileIO | None = None
        self._size = 0

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write the scalars, by tag, of a step; a process that is killed after the return loses none.

        Raises EnvironmentFault if the disk refuses; the file then ends with its last whole event.
        """
        if self._file is None:
            self._file = self._open()
        values = [_bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in scalars.items()]
        self._write(_event(_integer(2, step) + _bytes(5, b"".join(values))))

    def close(self) -> None:
        """Let go of the file, its events on the disk. Closing twice does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            with explained("write", self.directory), file:
                os.fsync(file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> FileIO:
        with explained("write", self.directory):
            for folder in (
                self.directory.parent,
                self.directory,
            ):  # No more: a run that was deleted stays so.
                folder.mkdir(exist_ok=True)
            # TensorBoard reads the files by name, so this one's time is after that of every other.
            others = [_time(path.name) for path in self.directory.iterdir()]
            now = max([int(time.time()), *(other + 1 for other in others)])
            path = self.directory / f"{_PREFIX}{now:010d}.{socket.gethostname()}.{os.getpid()}"
            self._file, self._size = FileIO(path, "xb"), 0
        self._write(_event(_bytes(3, b"brain.Event:2")))
        starts = _integer(1, 1)  # SessionLog.START, at the first step that counts from now on.
        self._write(_event(_integer(2, self.start + 1) + _bytes(7, starts)))
        return self._file

    def _write(self, record: bytes) -> None:
        assert self._file is not None
        with explained("write", self.directory, needed=len(record)):
            rest = memoryview(record)
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                with suppress(OSError):
                    self._file.truncate(self._size)
                    self._file.seek(self._size)
                raise
        self._size += len(record)


def _time(name: str) -> int:
    """The time in an event file's name; -1 for any other file."""
    text = name.removeprefix(_PREFIX).partition(".")[0]
    return int(text) if name.startswith(_PREFIX) and text.isdecimal() else -1


def _event(fields: bytes) -> bytes:
    """An event of now with these fields, as a TFRecord: length, its checksum, content, its checksum."""
    content = struct.pack("<Bd", 1 << 3 | 1, time.time()) + fields
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


# The wire format of protocol buffers: a field's number and type in one varint, then its value.


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes((*parts, value))


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _float(field: int, value: float) -> bytes:
    try:
        return struct.pack("<Bf", field << 3 | 5, value)
    except OverflowError:  # Beyond float32: infinite there, as a framework's own writer has it.
        return struct.pack("<Bf", field << 3 | 5, float("inf") if value > 0 else float("-inf"))


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _crc32c_table() -> list[int]:
    """CRC-32C (Castagnoli), reflected, of each byte."""
    table = list(range(256))
    for _ in range(8):
        table = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


_CRC = _crc32c_table()


def _checksum(content: bytes) -> bytes:
    """CRC-32C, rotated and moved as TFRecord does it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
