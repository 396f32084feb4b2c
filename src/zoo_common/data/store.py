"""Where what is made of data is kept: beside the run, in a prepared directory, or for as long as it is needed."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout
from pydantic import JsonValue, TypeAdapter, ValidationError

from zoo_common.data.entries import FACTS, Draft, Entry, make_entry
from zoo_common.data.file_marks import FileMark
from zoo_common.data.keys import Key
from zoo_common.data.reader import Wanted
from zoo_common.files import explain, explained, write_atomically
from zoo_common.log import LOG
from zoo_spec.data import SourceData
from zoo_spec.errors import InputError, ZooError
from zoo_spec.reading import UnreadableFileError, read_file

__all__ = ["Draft", "Entry", "Key", "Store"]

FOLDER = "data"
"""Of a run's directory."""
_MARKS = "sources.json"
_LONGEST_MARKS = 1 << 28
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
Make = Callable[[Draft], Mapping[str, JsonValue]]
"""Writes an entry's arrays, and gives its facts."""


@dataclass(frozen=True)
class Store:
    """A directory of entries, each made once and then mapped.

    Use it so::

        store = Store.of(wanted)
        key = store.key(fields=("layout",), also={"task.kind": "masked_lm"}, tokenizer=tokenizer.sha256)
        entry = store.entry("lengths_train", key, make)   # make(draft) writes arrays and gives facts
        entry["sequence"]                                 # int32 [examples], mapped
    """

    wanted: Wanted
    folder: Path | None
    """None: a temporary one, which goes with the store and the entries."""
    is_prepared: bool = False
    """Whether it was made by ``zoo data prepare``, and is only read."""

    @classmethod
    def of(cls, wanted: Wanted) -> Store:
        """``data.prepared`` where that is given, else ``data`` in the run's directory, else a temporary one.

        Raises InputError for a prepared directory that is not there.
        """
        data = wanted.spec.data
        if isinstance(data, SourceData) and data.prepared is not None:
            folder = Path(data.prepared)
            if not folder.is_dir():
                raise InputError(
                    f"data.prepared {folder}: there is no such directory; make it with zoo data prepare, or leave "
                    "data.prepared out"
                )
            return cls(wanted, folder, True)
        return cls(wanted, beside(wanted))

    def key(
        self,
        *,
        fields: Collection[str] | None = None,
        without: Collection[str] = (),
        also: Mapping[str, JsonValue] | None = None,
        tokenizer: str = "",
    ) -> Key:
        """``Key.of`` for what is wanted; files that were marked before are not read again for their marks."""
        known = self._known_marks()
        found = Key.of(
            self.wanted, known=known, fields=fields, without=without, also=also, tokenizer=tokenizer
        )
        self._keep_marks(known, found.sources)
        return found

    def entry(self, name: str, key: Key, make: Make) -> Entry:
        """The entry of this name and key: mapped if it is there, else made by ``make`` and kept.

        One of another key, or one that is damaged, is made anew with a warning. In a prepared directory both are an
        InputError, which says what differs, line by line; a source that is not on this machine differs in nothing.
        Errors of ``make`` are passed on and leave no half of an entry; whole parts are left for the next try, unless
        the source was wrong. Raises EnvironmentFault where there is no room.
        """
        if self.is_prepared:
            return self._prepared(name, key)
        if self.folder is None:
            return self._made(self._temporary, name, key, make)
        if (found := self._kept(self.folder, name, key)) is not None:
            return found
        try:
            with self._locked(self.folder, name):
                found = self._kept(
                    self.folder, name, key, tell=True
                )  # Another process may just have made it.
                return found or self._made(self.folder, name, key, make)
        except _RefusedError as error:
            LOG.warning(
                f"{error}: what is made of the data is kept nowhere, and will be made again the next time"
            )
        return self._made(self._temporary, name, key, make)

    def find(self, name: str) -> Entry | None:
        """The entry of this name, whatever its key; None where there is none, or it is damaged."""
        if self.folder is None:
            return None
        try:
            return Entry(self.folder / name)
        except InputError:
            return None

    @cached_property
    def _temporary(self) -> Path:
        return Path(self._directory.name)

    @cached_property
    def _directory(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="zoo-data-", ignore_cleanup_errors=True)

    def _prepared(self, name: str, key: Key) -> Entry:
        assert self.folder is not None
        place = self.folder / name
        if not place.is_dir():
            raise InputError(
                f"data.prepared {self.folder}: has no {name}, which this spec reads; prepare it again (zoo data "
                "prepare), or leave data.prepared out"
            )
        found = Entry(place)
        lines = found.key.differences(key)
        if lines:
            raise InputError(
                "\n  ".join(
                    [
                        f"data.prepared {self.folder}: was made of other data than the spec says; prepare it again "
                        f"(zoo data prepare), or leave data.prepared out. What differs of {name}:",
                        *lines,
                    ]
                )
            )
        return found

    def _kept(self, folder: Path, name: str, key: Key, *, tell: bool = False) -> Entry | None:
        place = folder / name
        if not place.is_dir():
            return None
        try:
            found = Entry(place)
        except UnreadableFileError as error:
            if tell:
                LOG.warning(f"{error}; it is made anew")
            return None
        # A source that is gone is for its reader to refuse.
        lines = [*found.key.differences(key), *(f"{field}: is not there" for field in key.absent)]
        if not lines:
            return found
        if tell:
            LOG.warning("\n  ".join([f"{place}: was made of other data, and is made anew:", *lines]))
        return None

    def _made(self, folder: Path, name: str, key: Key, make: Make) -> Entry:
        draft = f".{name}.{_identity(key)}.partial"
        for left in folder.glob(f".{name}.*.partial"):
            if left.name != draft:  # Begun of other data.
                shutil.rmtree(left, ignore_errors=True)
        found = make_entry(folder / name, folder / draft, key, make, lasting=folder is self.folder)
        if folder is not self.folder:
            found.holds = self._directory
        return found

    @contextmanager
    def _locked(self, folder: Path, name: str) -> Iterator[None]:
        """Have one process at a time make an entry; an operating-system lock, which goes with its process."""
        path = folder / f".{name}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                LOG.info(f"{folder / name}: another process is making it; waiting for that")
                lock.acquire()
        except OSError as error:
            said = explain(error, "write", folder)
            if error.errno in _REFUSED:
                raise _RefusedError(str(said)) from error
            raise said from error
        try:
            yield
        finally:
            lock.release()

    @property
    def _marks_file(self) -> Path | None:
        folder = beside(self.wanted)
        return None if folder is None else folder / _MARKS

    def _known_marks(self) -> tuple[FileMark, ...]:
        found: list[FileMark] = []
        if self.is_prepared and self.folder is not None:
            for file in sorted(self.folder.glob(f"*/{FACTS}")):
                try:
                    found += Entry(file.parent).key.sources
                except InputError:
                    continue
        path = self._marks_file
        if path is not None and path.is_file():
            try:
                content = read_file(path, most=_LONGEST_MARKS, remedy="it is none of ours")
                found += TypeAdapter(tuple[FileMark, ...]).validate_json(content)
            except (InputError, ValidationError):  # A mark that is lost is made again.
                return tuple(found)
        return tuple(found)

    def _keep_marks(self, known: tuple[FileMark, ...], marks: tuple[FileMark, ...]) -> None:
        """So that the same file is not read for its mark another time; where that cannot be kept, it is."""
        path = self._marks_file
        if path is None or set(marks) <= set(known):
            return
        other = [mark for mark in known if mark.field not in {each.field for each in marks}]
        rows = [mark.model_dump(mode="json") for mark in (*other, *marks)]
        try:
            with explained("make the folder", path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(rows, indent=1) + "\n")
        except ZooError as error:
            LOG.info(f"{error}: the files' marks are not kept")


class _RefusedError(Exception):
    """This user may not write where entries are kept."""


def beside(wanted: Wanted) -> Path | None:
    """Where a run keeps what is made of its data; None without a run."""
    return None if wanted.run_dir is None else wanted.run_dir / FOLDER / wanted.part


def _identity(key: Key) -> str:
    """Tells drafts of one name apart, by what they are made of and not by where that lies."""
    sources = [[mark.field, mark.size, mark.sha256] for mark in key.sources]
    text = json.dumps([key.format, key.fields, sources, key.tokenizer], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
