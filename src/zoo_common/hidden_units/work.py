"""Where units are made: a folder beside the one that they become, in which a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.files import explained, fsync_directory, write_atomically
from zoo_common.log import LOG
from zoo_spec.errors import InputError
from zoo_spec.reading import read_file, reading

_ENDING = ".partial"
_ABOUT, _LOCK = "begun.json", "lock"
_LONGEST = 1 << 20
Facts = Mapping[str, JsonValue]
_FLOAT, _COUNT = np.dtype(np.float32).itemsize, np.dtype(np.int64).itemsize


class Work:
    """``NAME.partial`` while units are made, and ``NAME`` once they all are."""

    def __init__(self, output: Path) -> None:
        """Raises InputError for a place that is taken."""
        self.output, self.path = output, output.with_name(output.name + _ENDING)
        if os.path.lexists(output):
            raise InputError(f"{output}: is there already; give another --output, or remove it")

    @contextmanager
    def opened(self, about: Facts, clustering: Facts) -> Iterator[None]:
        """The folder, for what ``about`` and ``clustering`` say. It stays where this is left early.

        What was begun there is gone on with: with another clustering, of the features that are there. Raises
        InputError if it is about something else, or another process is at it.
        """
        with explained("write", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / _LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"{self.path}: another process makes units there; wait for it or stop it"
            ) from None
        with lock, explained("write", self.path):
            self._begin(about, clustering)
            yield

    def _begin(self, about: Facts, clustering: Facts) -> None:
        path, told = self.path / _ABOUT, json.dumps([about, clustering])
        if not path.exists():
            write_atomically(path, told)
            return
        with reading(path, "JSON"):
            before, clustered = json.loads(read_file(path, most=_LONGEST, remedy="it is none of ours"))
        differs = [name for name in {**before, **about} if before.get(name) != about.get(name)]
        if differs:
            said = "; ".join(f"{name} was {before.get(name)}, and is {about.get(name)}" for name in differs)
            raise InputError(
                f"{self.path}: was begun otherwise: {said}; go on with what it was begun with, remove it, or give "
                "another --output"
            )
        LOG.info(f"{self.path}: was begun before; going on")
        if clustered != clustering:
            for each in self.path.iterdir():
                if each.suffix in (".npy", ".km", ".len"):
                    each.unlink()
            write_atomically(path, told)

    def finish(self, *leftovers: str) -> None:
        """Make it the output, without these files."""
        for name in (*leftovers, _ABOUT):
            (self.path / name).unlink(missing_ok=True)
        os.replace(self.path, self.output)
        (self.output / _LOCK).unlink(missing_ok=True)
        fsync_directory(self.output.parent)


class FrameFile:
    """Rows of one width, sound after sound, in a file that grows; what a kill left unfinished is cut off."""

    def __init__(self, path: Path, width: int) -> None:
        counts_path = path.with_suffix(".counts")
        self._path, self._width = path, width
        self._rows, self._counts = path.open("ab"), counts_path.open("ab")
        there = self._rows.tell() // (width * _FLOAT)
        ends = np.cumsum(np.fromfile(counts_path, np.int64), dtype=np.int64)
        self._ends = [0, *ends[ends <= there].tolist()]
        self._rows.truncate(self._ends[-1] * width * _FLOAT)
        self._counts.truncate((len(self._ends) - 1) * _COUNT)

    def __len__(self) -> int:
        """Sounds."""
        return len(self._ends) - 1

    def append(self, frames: NDArray[np.float32]) -> None:
        """The rows of one more sound."""
        for file, values in ((self._rows, frames), (self._counts, np.asarray([len(frames)], np.int64))):
            file.write(np.ascontiguousarray(values).tobytes())
            file.flush()
        self._ends.append(self._ends[-1] + len(frames))

    def all(self) -> NDArray[np.float32]:
        """``[frames, width]`` of all sounds, mapped and not read."""
        shape = (self._ends[-1], self._width)
        return (
            np.memmap(self._path, np.float32, "r", shape=shape) if shape[0] else np.zeros(shape, np.float32)
        )

    def of(self, number: int) -> NDArray[np.float32]:
        """Those of one sound."""
        return self.all()[self._ends[number] : self._ends[number + 1]]

    def close(self) -> None:
        """Nothing more comes."""
        self._rows.close()
        self._counts.close()


class UnitFile:
    """fairseq's ``.km``: the units of a sound on each line, in a file that grows."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        self._file.seek(0)
        self.lines, self.units, whole = 0, 0, 0
        for line in self._file:
            if line.endswith(b"\n"):
                self.lines, self.units, whole = (
                    self.lines + 1,
                    self.units + len(line.split()),
                    whole + len(line),
                )
        self._file.truncate(whole)

    def append(self, units: NDArray[np.int32]) -> None:
        """The units of one more sound."""
        self._file.write(" ".join(map(str, units.tolist())).encode("ascii") + b"\n")
        self._file.flush()
        self.lines, self.units = self.lines + 1, self.units + len(units)

    def counts(self) -> Iterator[int]:
        """How many units each sound has."""
        self._file.seek(0)
        return (len(line.split()) for line in self._file)

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
