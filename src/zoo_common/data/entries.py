"""An entry of a store: a folder of arrays, which are mapped, and ``facts.json``, which says what they are."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import DTypeLike
from pydantic import JsonValue, TypeAdapter, ValidationError

from zoo_common.data.keys import Key
from zoo_common.data.maps import HEADER, AnyArray, mapped
from zoo_common.files import explained, fsync_directory, fsync_file, write_atomically
from zoo_spec.base import NonNegativeInt, Spec
from zoo_spec.errors import EnvironmentFault
from zoo_spec.reading import UnreadableFileError, read_file, reading

FACTS = "facts.json"
_LONGEST_FACTS = 1 << 28
_PARTS = "parts"


class Facts(Spec):
    """What ``facts.json`` says."""

    key: Key
    bytes: dict[str, NonNegativeInt]
    """Of each array's file, by which one that was cut is told."""
    facts: dict[str, JsonValue]
    """What whoever made it has to say of it."""


class Entry:
    """One that is whole: its arrays by name, which are read as they are used; any number of processes share them.

    Pickled, it is its folder's path and no more. What it ``holds`` is there as long as it is.
    """

    def __init__(self, folder: Path) -> None:
        """Raises InputError for a folder that is damaged: no facts, or files of another size than they say."""
        self.folder = folder
        self.holds: object = None
        with reading(folder / FACTS, "JSON"):
            content = json.loads(read_file(folder / FACTS, most=_LONGEST_FACTS, remedy="it is none of ours"))
        try:
            self._said = TypeAdapter(Facts).validate_json(json.dumps(content))
        except ValidationError as error:
            raise UnreadableFileError(folder / FACTS, f"is damaged: {error.errors()[0]['msg']}") from None
        self._arrays: dict[str, AnyArray] = {}
        for name, size in self._said.bytes.items():
            with reading(self._file(name)):
                found = os.stat(self._file(name)).st_size
            if found != size:
                raise UnreadableFileError(
                    self._file(name), f"is damaged: it has {found:,} bytes, and {size:,} were written"
                )

    @property
    def key(self) -> Key:
        """What it was made of."""
        return self._said.key

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """What whoever made it said of it."""
        return self._said.facts

    def __contains__(self, name: str) -> bool:
        return name in self._said.bytes

    def __getitem__(self, name: str) -> AnyArray:
        """An array, mapped: it is read where it is looked at, and cannot be written to."""
        if name not in self._arrays:
            with reading(self._file(name), "NumPy"):
                self._arrays[name] = mapped(self._file(name))
        return self._arrays[name]

    def __reduce__(self) -> tuple[type[Entry], tuple[Path]]:
        return Entry, (self.folder,)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


class Draft:
    """An entry that is being made, in a folder that has its name only once it is whole.

    What takes long is made in parts. These outlast a process that is killed, and whoever makes the same entry again
    finds them.
    """

    def __init__(self, folder: Path, *, lasting: bool = True) -> None:
        """``lasting``: whether it is to outlast a power cut, and not only a process."""
        self.folder = folder
        self._lasting = lasting

    def save(self, name: str, array: AnyArray) -> None:
        """An array of the entry that is in memory; InputError and EnvironmentFault as for any file."""
        with self.growing(name, array.dtype, array.shape[1:]) as file:
            file.append(array)

    def growing(self, name: str, dtype: DTypeLike, row: Sequence[int] = ()) -> GrowingArray:
        """An array ``[rows, *row]`` that is written bit by bit, inside ``with``; its length need not be known."""
        return GrowingArray(self.folder / f"{name}.npy", np.dtype(dtype), tuple(row), lasting=self._lasting)

    def part(self, name: str) -> Path:
        """Where the part of this name is, or is to be: for ``write_part`` in any process, and for ``read_part``."""
        folder = self.folder / _PARTS
        with explained("write", folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.npz"

    def drop_parts(self) -> None:
        """Begin again."""
        shutil.rmtree(self.folder / _PARTS, ignore_errors=True)

    def finish(self, key: Key, facts: Mapping[str, JsonValue]) -> None:
        """Write the facts and drop the parts; the folder is then an entry."""
        with explained("write", self.folder):
            self.drop_parts()
            sizes = {path.stem: path.stat().st_size for path in sorted(self.folder.glob("*.npy"))}
        said = Facts(key=key, bytes=sizes, facts=dict(facts))
        write_atomically(self.folder / FACTS, said.model_dump_json(indent=2) + "\n")

    def drop_all_but_parts(self) -> None:
        """After an error: nothing is left that is not whole."""
        for path in self.folder.glob("*"):
            if path.name != _PARTS:
                with suppress(OSError):
                    path.unlink()
        with suppress(OSError):
            (self.folder / _PARTS).rmdir()
        with suppress(OSError):
            self.folder.rmdir()


class GrowingArray:
    """An array that is written to a file row by row; the file is whole when ``with`` ends."""

    def __init__(
        self, path: Path, dtype: np.dtype[np.generic], row: tuple[int, ...], *, lasting: bool
    ) -> None:
        self._path, self._dtype, self._row, self._lasting = path, dtype, row, lasting
        self._file: BinaryIO | None = None
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def __enter__(self) -> Self:
        with explained("write", self._path):
            self._file = self._path.open("wb")
            self._file.write(bytes(HEADER))
        return self

    def append(self, rows: AnyArray) -> None:
        """More rows, ``[rows, *row]``; EnvironmentFault where there is no room for them."""
        if self._file is None or rows.shape[1:] != self._row:
            raise ValueError(f"{self._path}: rows of {rows.shape[1:]}, not of {self._row}, or it is not open")
        values = np.ascontiguousarray(rows, self._dtype)
        with explained("write", self._path, needed=values.nbytes):
            self._file.write(values.data if values.size else b"")
        self._rows += len(values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        if kind is not None:  # What is still to be written is as little worth as the rest.
            with suppress(OSError):
                file.close()
            return
        with explained("write", self._path), file:
            file.seek(0)
            file.write(_header(self._dtype, (self._rows, *self._row)))
            file.flush()
            if self._lasting:
                fsync_file(file.fileno())


def write_part(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Keep a part of a draft, whole or not at all; raises EnvironmentFault where there is no room."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with explained("write", path, needed=sum(array.nbytes for array in arrays.values())):
        try:
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **dict(arrays))
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def read_part(path: Path) -> dict[str, AnyArray] | None:
    """A part that was kept, in memory; None where it is not there, or is damaged (its checksums tell)."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def replace_folder(new: Path, place: Path, *, lasting: bool) -> None:
    """Give a folder another's name; what had it is gone, unless this fails."""
    old = place.with_name(f".{place.name}.old")
    with explained("write", place):
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            os.replace(place, old)
        os.replace(new, place)
        shutil.rmtree(old, ignore_errors=True)
        if lasting:
            fsync_directory(place.parent)


def make_entry(
    place: Path, draft: Path, key: Key, make: Callable[[Draft], Mapping[str, JsonValue]], *, lasting: bool
) -> Entry:
    """Make an entry in ``draft`` and give it its ``place``; after an error its whole parts are left there."""
    with explained("make the folder", draft):
        draft.mkdir(parents=True, exist_ok=True)
    found = Draft(draft, lasting=lasting)
    try:
        found.finish(key, make(found))
    except EnvironmentFault:
        found.drop_all_but_parts()
        raise
    except BaseException as error:
        found.drop_all_but_parts()
        if isinstance(error, Exception):  # Its source is wrong and will be another.
            shutil.rmtree(draft, ignore_errors=True)
        raise
    replace_folder(draft, place, lasting=lasting)
    return Entry(place)


def _header(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bytes:
    """NumPy's format 1.0, filled up to a fixed length."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    room = HEADER - 10
    if len(text) + 1 > room:
        raise ValueError(f"a header of {len(text)} characters is too long")
    return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + (text.ljust(room - 1) + "\n").encode("latin1")
