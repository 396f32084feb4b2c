"""What an engine that streams weights talks to: units come into memory, and what was changed in them goes back."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from zoo_common.backend import FileTraffic, Written
from zoo_common.files import explained
from zoo_common.memory.streaming import SLOTS, SPARES
from zoo_common.streaming.slots import Buffer, Slot, buffer_bytes
from zoo_common.streaming.stored import Piece, Stored
from zoo_common.streaming.traffic import Load, Traffic
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.errors import InputError
from zoo_spec.graph import Unit, Units

_LEAST_BUFFER = 1 << 22
_GRAIN = 1 << 12
"""Values; pieces of a tensor begin at multiples of it, where vectors do."""


class Host:
    """The weights and moments of a model, a unit at a time in memory.

    Resident weights are the engine's own; the moments of those that are trained are here (``pieces``). Every method
    is called by one thread at a time. What goes wrong with a file, in whichever thread, is an EnvironmentFault that
    names it, raised by the call that meets it or the next.
    """

    def __init__(
        self,
        units: Units,
        weights: WeightSource,
        *,
        folder: Path | None,
        dtype: str,
        moments: Collection[str] = (),
        trained: Collection[str] = (),
        spills: bool = False,
        gives_back: bool = False,
    ) -> None:
        """``weights`` are what the units begin with, in ``dtype``; the moments of ``trained`` begin at zero.

        ``spills`` where gradients are kept until all are there, as clipping needs them. The files lie in a folder of
        the host's own inside of ``folder``, for as long as the host lives; None: where temporary files are.
        ``gives_back`` for memory that a unit does not take to be the system's until the next one does, which has to
        clear it: with few tokens a step that is a twentieth of the processor's time. Nor do slots take other memory.
        """
        self.units = units
        self.folder = _folder_in(folder)
        self._files = [
            _UnitFiles.of(number, unit, self.folder, dtype, moments, frozenset(trained))
            for number, unit in enumerate(units.streamed, 1)
        ]
        self._by_path = {files.unit.path: files for files in self._files}
        self._resident = {
            name: Stored(
                self.folder / f"resident-{number:05d}.moments",
                {f"{name}/{moment}": Entry(dtype, parameter.shape) for moment in moments},
            )
            for number, (name, parameter) in enumerate(units.resident.items(), 1)
            if name in trained and moments
        }
        self._moments = tuple(moments)
        self._takes = not gives_back
        self._dtype = dtype
        sizes = [files.buffer_bytes(spills) for files in self._files]
        size = max([*sizes, _LEAST_BUFFER if self._resident else 0])
        self._at_once = size // (np.dtype(dtype).itemsize * max(len(moments), 1)) // _GRAIN * _GRAIN
        buffers = [Buffer(number, size, gives_back=gives_back) for number in range(SLOTS)]
        self._traffic: Traffic[Slot] = Traffic(buffers)
        largest = max(buffer_bytes(files.gradients.entries) for files in self._files) if spills else 0
        self._spares = [Buffer(number, largest, gives_back=gives_back) for number in range(SPARES)]
        weakref.finalize(self, _end, self._traffic, self.folder, folder)
        self._tally = _Tally()
        self._told = FileTraffic(0, 0, 0.0)
        self._spilled: set[str] = set()
        self.import_weights(weights)

    @property
    def bytes_read(self) -> int:
        """Of files, so far."""
        return self._tally.read

    @property
    def bytes_written(self) -> int:
        """To files, so far."""
        return self._tally.written

    @property
    def seconds_waited(self) -> float:
        """How long the computing stood still for files, so far."""
        return self._traffic.seconds_waited

    def traffic(self) -> FileTraffic:
        """What went through files, and was waited for, since this was last asked for."""
        now = FileTraffic(self.bytes_read, self.bytes_written, self.seconds_waited)
        before, self._told = self._told, now
        return FileTraffic(now.read - before.read, now.written - before.written, now.waited - before.waited)

    @contextmanager
    def weights(self, unit: Unit) -> Iterator[Mapping[str, Array]]:
        """The unit's weights, by canonical name in the canonical layout, to be read."""
        files = self._by_path[unit.path]
        with self._held(self._load("weights", files, (files.weights,), writes=())) as slot:
            yield slot.weights

    @contextmanager
    def state(self, unit: Unit) -> Iterator[Slot]:
        """Its weights and moments; what they are when the context ends is what they then are."""
        files = self._by_path[unit.path]
        both = (files.weights, files.moments)
        with self._held(self._load("state", files, both, writes=both)) as slot:
            yield slot

    def spill(self, unit: Unit, gradients: Mapping[str, Array]) -> None:
        """Keep the gradients of a unit's trained weights, which nobody changes any more, until ``spilled``.

        They are written while the computing goes on. Where slots give memory back, it is from a buffer of the host's:
        memory of the engine's that outlived a layer's run would leave gaps in the next one's.
        """
        stored = self._by_path[unit.path].gradients
        self._traffic.room()
        if self._takes:
            kept = {name: np.ascontiguousarray(gradients[name]) for name in stored.entries}
        else:
            self._spares.append(self._spares.pop(0))  # What was written last of all may still be.
            (kept,) = self._spares[-1].views(stored.entries)
            for name, copy in kept.items():
                np.copyto(copy, gradients[name])
        self._spilled.add(unit.path)
        self._traffic.behind(("gradients", unit.path), partial(self._tally.write, stored, _whole(kept)))

    @contextmanager
    def spilled(self, unit: Unit) -> Iterator[Slot]:
        """As ``state``, with the gradients that were spilled since the last time."""
        self._spilled.remove(unit.path)
        files = self._by_path[unit.path]
        both = (files.weights, files.moments)
        with self._held(self._load("spilled", files, (*both, files.gradients), writes=both)) as slot:
            yield slot

    def pieces(self, name: str) -> Iterator[Moments]:
        """The moments of a resident weight that is trained, a range of values at a time, each as in ``state``.

        What is done with one is done when the next is asked for. Where there are no moments, one has all values.
        """
        size = prod(self.units.resident[name].shape)
        if not self._moments:
            yield Moments(0, size, {})
            return
        stored = self._resident[name]
        for start in range(0, size, self._at_once):
            stop = min(start + self._at_once, size)
            with self._held(self._piece(name, stored, start, stop)) as slot:
                yield Moments(start, stop, {moment: slot.moments[moment] for moment in self._moments})

    def import_weights(self, weights: WeightSource) -> None:
        """Have the units' weights be these. What does not last is read, and written, at once; else when needed."""
        self._begin_anew()
        missing = [name for files in self._files for name in files.weights.entries if name not in weights]
        if missing:
            raise InputError(f"the weights lack {', '.join(missing[:5])}")
        for files in self._files:
            files.weights.take(weights)

    def import_moments(self, moments: WeightSource | None) -> None:
        """Have the moments be these, those of resident weights too; None: zeros."""
        self._begin_anew()
        for stored in self._moment_files():
            stored.take(moments)

    def _begin_anew(self) -> None:
        self._traffic.reset()
        self._spilled.clear()
        with explained("make working files", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)  # Whoever opened the run anew has tidied it.

    def settle(self) -> None:
        """Return once everything is in files; what goes wrong is raised."""
        self._traffic.settle()
        for stored in self._every_file():
            self._tally.written += stored.settle()

    def stored_weights(self) -> WeightSource:
        """The units' weights, read from the files when they are asked for, until the next step."""
        return _FromFiles([files.weights for files in self._files])

    def stored_moments(self) -> WeightSource:
        """All moments, likewise."""
        return _FromFiles(self._moment_files())

    def written(self) -> Written:
        """The files, for a save to take; it settles them."""
        self.settle()
        return Written([files.weights for files in self._files], self._moment_files())

    def _moment_files(self) -> list[Stored]:
        found = [*(files.moments for files in self._files), *self._resident.values()]
        return [stored for stored in found if stored.entries]

    def _every_file(self) -> list[Stored]:
        return [*(files.weights for files in self._files), *self._moment_files()]

    def _piece(self, name: str, stored: Stored, start: int, stop: int) -> Load[Slot]:
        tally, moments = self._tally, self._moments
        flat = {moment: Entry(self._dtype, (stop - start,)) for moment in moments}

        def read(buffer: Buffer) -> Slot:
            (arrays,) = buffer.views(flat)
            tally.read += stored.read(pieces(arrays))
            return Slot(buffer.number, {}, arrays, {})

        def write(slot: Slot) -> None:
            tally.write(stored, pieces(slot.moments))

        def pieces(arrays: Mapping[str, Array]) -> list[Piece]:
            return [Piece(f"{name}/{moment}", start, stop, arrays[moment]) for moment in moments]

        return Load(("piece", name, start), ("piece", name, start), read, write)

    def _load(
        self, kind: str, files: _UnitFiles, parts: tuple[Stored, ...], writes: tuple[Stored, ...]
    ) -> Load[Slot]:
        tally, takes = self._tally, self._takes  # What is kept for the next time must not keep the host.

        def read(buffer: Buffer) -> Slot:
            views = buffer.views(*(stored.entries for stored in parts))
            for stored, arrays in zip(parts, views, strict=True):
                tally.read += stored.read(_whole(arrays))
            weights, moments, gradients = (*views, {}, {})[:3]
            return Slot(buffer.number, weights, moments, gradients, takes)

        def write(slot: Slot) -> None:
            for stored, arrays in zip(writes, (slot.weights, slot.moments), strict=True):
                tally.write(stored, _whole(arrays))

        path = files.unit.path
        after = ("gradients", path) if kind == "spilled" else None
        return Load((kind, path), path, read, write if writes else None, after)

    @contextmanager
    def _held(self, load: Load[Slot]) -> Iterator[Slot]:
        buffer, slot = self._traffic.begin(load)
        is_good = False
        try:
            yield slot
            is_good = True
        finally:
            self._traffic.end(load, buffer, slot, is_good=is_good)


@dataclass(frozen=True)
class Moments:
    """Values ``start`` to ``stop``, in row-major order, of each of a weight's moments, by the moment's name."""

    start: int
    stop: int
    values: Mapping[str, Array]


class _FromFiles(WeightSource):
    """The tensors of several files."""

    def __init__(self, files: Collection[Stored]) -> None:
        self._owners = {name: stored for stored in files for name in stored.entries}
        self.entries = {name: stored.entries[name] for name, stored in self._owners.items()}

    def read(self, name: str) -> Array:
        """The tensor, as its file has it now."""
        entry = self.entries[name]
        values = np.empty(entry.shape, entry.dtype)
        self._owners[name].read([Piece(name, 0, values.size, values)])
        return values


@dataclass
class _Tally:
    """Bytes of files, so far."""

    read: int = 0
    written: int = 0

    def write(self, stored: Stored, pieces: list[Piece]) -> None:
        """Write and count."""
        if stored.entries:
            self.written += stored.write(pieces)


@dataclass(frozen=True)
class _UnitFiles:
    """A unit's files: weights, moments of those that are trained, and their gradients while they are spilled."""

    unit: Unit
    weights: Stored
    moments: Stored
    gradients: Stored

    def buffer_bytes(self, spills: bool) -> int:
        """What it takes in memory."""
        gradients = self.gradients.entries if spills else {}
        return buffer_bytes(self.weights.entries, self.moments.entries, gradients)

    @classmethod
    def of(
        cls,
        number: int,
        unit: Unit,
        folder: Path,
        dtype: str,
        moments: Collection[str],
        trained: frozenset[str],
    ) -> _UnitFiles:
        entries = {name: Entry(dtype, each.shape) for name, each in unit.parameters.items()}
        learned = {name: entry for name, entry in entries.items() if name in trained}
        slots = {f"{name}/{moment}": entry for name, entry in learned.items() for moment in moments}
        stem = f"unit-{number:05d}"
        return cls(
            unit,
            Stored(folder / f"{stem}.weights", entries),
            Stored(folder / f"{stem}.moments", slots),
            Stored(folder / f"{stem}.gradients", learned),
        )


def _whole(arrays: Mapping[str, Array]) -> list[Piece]:
    return [Piece(name, 0, values.size, values) for name, values in arrays.items()]


def _folder_in(parent: Path | None) -> Path:
    place = parent or Path(tempfile.gettempdir())
    with explained("make working files", place):
        place.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="", dir=place))


def _end(traffic: Traffic[Slot], folder: Path, parent: Path | None) -> None:
    traffic.close()
    shutil.rmtree(folder, ignore_errors=True)
    if parent is not None:
        with suppress(OSError):  # Another host's files may be there.
            parent.rmdir()
