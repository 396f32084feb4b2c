"""A run's directory: what it holds, who may write to it, and which spec may continue it."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from filelock import FileLock, Timeout

from zoo_common.checkpoint import CheckpointStore
from zoo_common.files import explained, fsync_directory, is_partial, write_atomically
from zoo_common.training.differences import Difference, Fields, compared, differences
from zoo_common.training.events import EventWriter
from zoo_common.training.metrics_file import MetricsFile, MetricValue, read_metrics
from zoo_common.training.origin import Beginning, Change, Claim, Origin
from zoo_common.training.run_record import FILE, read_record, write_record
from zoo_spec.errors import EnvironmentFault, InputError, ZooError
from zoo_spec.reading import read_file, reading

__all__ = ["MetricValue", "RunDirectory", "differences", "read_metrics"]

SPEC = "spec.yaml"
_LOCK, _HOLDER = "run.lock", "holder.json"
_SHOWN = 20
_LONGEST_HOLDER = 1_000


class RunDirectory:
    """Everything of one run, in one place; while it is open, no other process can open it.

    Open it in a ``with`` statement: an open one that nobody holds on to any more lets its lock go.

    ======================  ==============================================================
    ``spec.yaml``           the resolved spec
    ``versions.json``       what made it: library versions, a list of those in use over time, and its ``origin``
    ``metrics.jsonl``       a line for each logged step
    ``checkpoints/``        docs/checkpoints.md
    ``working/``            weights and moments while they are streamed; of a run that has ended, nothing counts
    ``events/``             TensorBoard's files
    ``log.txt``             the log
    ``run.lock``            locked while a process has the directory open
    ``holder.json``         which process that is
    ======================  ==============================================================
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec_file = path / SPEC
        self.versions_file = path / FILE
        self.metrics_file = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.working = path / "working"
        self.events = path / "events"
        self.log_file = path / "log.txt"
        self.holder_file = path / _HOLDER
        self._metrics = MetricsFile(self.metrics_file)
        self._lock: FileLock | None = None
        self.accepted: tuple[Change, ...] = ()
        """What differs by consent since it was opened."""
        self._identity: tuple[int, int] | None = None
        self._begins = False
        self._is_discarded = False

    def open(
        self,
        *,
        spec: Fields,
        spec_text: str,
        versions: Mapping[str, str],
        read_spec: Callable[[Path], Fields],
        claim: Claim | None = None,
    ) -> Self:
        """Start the run, or continue it if the directory holds one of the same spec; close it when done.

        ``spec`` is the resolved spec, ``spec_text`` what is to stand in ``spec.yaml``, and ``read_spec``
        reads such a file back to the form of ``spec``, so that a field which is new since then has its
        default. ``versions`` maps library to version. ``claim`` is held against the run's record, and kept there.

        Raises InputError if the path is a file or somebody else's directory, if another process has it open, or
        if it is a run of another spec (``differences``) or on other data; EnvironmentFault if it cannot be written.
        """
        self._require_ours()
        self._begins, self._is_discarded = not self.path.exists(), False
        with explained("make the run directory", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        try:
            self._identity = self._stat()
            self._note_holder()
            self._remove_partial()
            found: list[Difference] = []
            if self.spec_file.exists():
                found = compared(read_spec(self.spec_file), spec)
                known = Origin.read(self.path)
                if known is not None and known.is_untrained:
                    found = [each for each in found if not each.is_of_use]
                if claim is None or not all(each.may_be_accepted for each in found):
                    self._require_same([each.line for each in found])
            elif self.checkpoints.exists():
                self.require()
            known = Origin.read(self.path)
            origin = self._met(claim, known, [each.line for each in found])
            self.accepted = origin.changes[len(known.changes) if known else 0 :] if origin else ()
            self._note(versions, origin)
            with explained("write", self.spec_file):
                if not self.spec_file.exists() or self.spec_file.read_bytes() != spec_text.encode():
                    write_atomically(self.spec_file, spec_text)
                fsync_directory(self.path.parent)
            self._metrics.cut()
        except BaseException:
            self.discard()
            self.close()
            raise
        return self

    def discard(self) -> None:
        """Have ``close`` remove the directory, if this process made it and no step was saved in it yet."""
        has_saved = self.checkpoints.exists() and any(self.checkpoints.iterdir())
        self._is_discarded = self._begins and not has_saved

    def note_divergence(self, step: int) -> None:
        """Keep that the run diverged at this step: whoever goes on from before it may change how it is trained."""
        origin = Origin.read(self.path)
        if origin is not None:
            write_record(self.path, origin=origin.model_copy(update={"diverged_at": step}).as_json())

    def note_beginning(self, beginning: Beginning) -> None:
        """Keep where the run's weights began."""
        origin = Origin.read(self.path) or Origin()
        write_record(self.path, origin=origin.model_copy(update={"began_with": beginning}).as_json())

    def require_there(self) -> None:
        """Raise EnvironmentFault if this directory was removed or replaced since it was opened."""
        if self._stat() != self._identity or not self.versions_file.exists():
            raise EnvironmentFault(
                f"{self.path}: was removed, or replaced by another, while its run was training; nothing more can be "
                "saved there, and the run ends (what is left of the directory, if anything, is no run)"
            )

    def require(self) -> None:
        """Raise InputError unless the path holds a run, for those who only read it."""
        if not self.versions_file.is_file():
            raise InputError(f"{self.path}: is no run directory (no {self.versions_file.name}); give a run's")
        if not self.spec_file.is_file():
            raise InputError(f"{self.spec_file}: is missing; put back the spec that this run started with")

    def append_metrics(self, record: Mapping[str, MetricValue]) -> None:
        """Add a record with at least ``step`` to metrics.jsonl; it survives a kill on return."""
        self.require_there()
        self._metrics.append(record)

    def sync_metrics(self) -> None:
        """Return once the records are on the disk, where a power cut leaves them."""
        self._metrics.sync()

    def cut_metrics(self, step: int) -> None:
        """Drop the records beyond the step that the run goes on from, so that each step is there once."""
        self._metrics.cut(step)

    def event_writer(self, split: str, start: int) -> EventWriter:
        """Writes the scalars of a split for TensorBoard, of what follows step ``start``."""
        return EventWriter(self.events / split, start)

    def close(self) -> None:
        """Let other processes have the directory. Closing twice does nothing."""
        try:
            self._metrics.close()
        finally:
            lock, self._lock = self._lock, None
            if lock is not None:
                is_ours = self._stat() == self._identity
                self._is_discarded = self._is_discarded and is_ours
                with suppress(OSError):
                    if is_ours:
                        self.holder_file.unlink()
                if self._is_discarded:  # While it is locked, or it might be another process's by now.
                    shutil.rmtree(self.path, ignore_errors=True)
                lock.release()
                if self._is_discarded and os.name == "nt":  # Windows removes no file that is open.
                    shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_ours(self) -> None:
        """Refuse, before anything is written, a path that is no place for a run."""
        if not os.path.lexists(self.path):
            return
        if not self.path.is_dir():
            raise InputError(f"{self.path}: is not a directory; give a new path for the run")
        if self.versions_file.exists():
            read_record(self.path)
            return
        with explained("read", self.path):
            strange = sorted(entry.name for entry in self.path.iterdir() if not _is_leftover(entry.name))
        if strange:
            names = ", ".join(strange[:3]) + (", …" if strange[3:] else "")
            raise InputError(f"{self.path}: holds no run but {names}; give a new or an empty directory")

    def _acquire(self) -> None:
        # An operating-system lock: it goes when its process goes, however that ends.
        lock = FileLock(self.path / _LOCK, timeout=0, thread_local=False)
        with explained("lock", self.path / _LOCK):
            try:
                lock.acquire()
            except Timeout as error:
                found = f"is in use by {self._holder()}"
                raise InputError(f"{self.path}: {found}; wait for it or stop it") from error
        self._lock = lock

    def _holder(self) -> str:
        path = self.holder_file
        try:
            with reading(path, "JSON"):
                holder = json.loads(read_file(path, most=_LONGEST_HOLDER, remedy="it is none of ours"))
                pid, host = int(holder["pid"]), str(holder["host"])
        except ZooError:
            return "another process"  # It has the lock and has not yet come to leave its name.
        if host == socket.gethostname() and not psutil.pid_exists(pid):
            return "another process"  # The name is that of one which was killed before.
        return f"process {pid} on {host}"

    def _remove_partial(self) -> None:
        """Remove what a process that was killed left: files that it was writing, half a checkpoint, working files."""
        with explained("tidy", self.path):
            CheckpointStore(self.checkpoints).tidy()
            if self.working.is_dir():
                shutil.rmtree(self.working)
            for entry in list(self.path.iterdir()):
                if is_partial(entry.name):
                    entry.unlink()

    def _note_holder(self) -> None:
        # Beside the lock file, for Windows lets nobody read a locked one.
        holder = {"pid": os.getpid(), "host": socket.gethostname()}
        write_atomically(self.holder_file, json.dumps(holder) + "\n")

    def _stat(self) -> tuple[int, int] | None:
        """What tells this directory from another of its name; None where there is none."""
        with suppress(OSError):
            status = self.path.stat()
            return status.st_dev, status.st_ino
        return None

    def _met(self, claim: Claim | None, known: Origin | None, differences: list[str]) -> Origin | None:
        """The record that is to be kept; None where there is to be none."""
        if claim is None:
            return None
        store = CheckpointStore(self.checkpoints)
        if known is None:  # Of before there was a record, perhaps: then its checkpoints say their specs.
            known = Origin(spec_hashes=tuple(store.spec_hashes()))
        return claim.met(known, self.path, max(store.steps(), default=0), differences)

    def _require_same(self, found: list[str]) -> None:
        if found:
            more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
            title = f"{self.path}: holds a run of another spec; give another directory, or that run's values:"
            raise InputError("\n  ".join([title, *found[:_SHOWN], *more]))

    def _note(self, versions: Mapping[str, str], origin: Origin | None) -> None:
        # Written before spec.yaml, as the mark of a run: a spec.yaml without it is a user's own, not touched.
        known = (read_record(self.path) or {}).get("versions")
        listed = list(known) if isinstance(known, list) else []
        if not listed or listed[-1] != dict(versions):
            listed.append(dict(versions))
        write_record(self.path, versions=listed, **({} if origin is None else {"origin": origin.as_json()}))


def _is_leftover(name: str) -> bool:
    """What a run that was killed while it began may have left, and nothing of the user's."""
    return name in (_LOCK, _HOLDER) or is_partial(name)
