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
from pydantic import JsonValue

from zoo_common.files import explained, fsync_directory, is_partial, write_atomically
from zoo_common.training.differences import Fields, differences
from zoo_common.training.metrics_file import MetricsFile, MetricValue, read_metrics
from zoo_spec.errors import InputError

__all__ = ["MetricValue", "RunDirectory", "differences", "read_metrics"]

_FORMAT, _VERSION = "zoo-run", 1
_LOCK, _HOLDER = "run.lock", "holder.json"
_SHOWN = 20


class RunDirectory:
    """Everything of one run, in one place; while it is open, no other process can open it.

    Open it in a ``with`` statement: an open one that nobody holds on to any more lets its lock go.

    ======================  ==============================================================
    ``spec.yaml``           the resolved spec
    ``versions.json``       what made it: library versions, a list of those in use over time
    ``metrics.jsonl``       a line for each logged step
    ``checkpoints/``        docs/checkpoints.md
    ``events/``             TensorBoard's files
    ``log.txt``             the log
    ``run.lock``            locked while a process has the directory open
    ``holder.json``         which process that is
    ======================  ==============================================================
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec_file = path / "spec.yaml"
        self.versions_file = path / "versions.json"
        self.metrics_file = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.events = path / "events"
        self.log_file = path / "log.txt"
        self._metrics = MetricsFile(self.metrics_file)
        self._lock: FileLock | None = None
        self._begins = False
        self._is_discarded = False

    def open(
        self,
        *,
        spec: Fields,
        spec_text: str,
        versions: Mapping[str, str],
        read_spec: Callable[[Path], Fields],
    ) -> Self:
        """Start the run, or continue it if the directory holds one of the same spec; close it when done.

        ``spec`` is the resolved spec, ``spec_text`` what is to stand in ``spec.yaml``, and ``read_spec``
        reads such a file back to the form of ``spec``, so that a field which is new since then has its
        default. ``versions`` maps library to version.

        Raises InputError if the path is a file or somebody else's directory, if another process has it open,
        or if it is a run of another spec (``differences``); EnvironmentFault if it cannot be written.
        """
        self._require_ours()
        self._begins, self._is_discarded = not self.path.exists(), False
        with explained("make the run directory", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        try:
            self._note_holder()
            self._remove_partial()
            if self.spec_file.exists():
                self._require_same(read_spec(self.spec_file), spec)
            elif self.checkpoints.exists():
                self.require()
            self._note_versions(versions)
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

    def require(self) -> None:
        """Raise InputError unless the path holds a run, for those who only read it."""
        if not self.versions_file.is_file():
            raise InputError(f"{self.path}: is no run directory (no {self.versions_file.name}); give a run's")
        if not self.spec_file.is_file():
            raise InputError(f"{self.spec_file}: is missing; put back the spec that this run started with")

    def append_metrics(self, record: Mapping[str, MetricValue]) -> None:
        """Add a record with at least ``step`` to metrics.jsonl; it survives a kill on return."""
        self._metrics.append(record)

    def sync_metrics(self) -> None:
        """Return once the records are on the disk, where a power cut leaves them."""
        self._metrics.sync()

    def cut_metrics(self, step: int) -> None:
        """Drop the records beyond the step that the run goes on from, so that each step is there once."""
        self._metrics.cut(step)

    def close(self) -> None:
        """Let other processes have the directory. Closing twice does nothing."""
        try:
            self._metrics.close()
        finally:
            lock, self._lock = self._lock, None
            if lock is not None:
                with suppress(OSError):
                    (self.path / _HOLDER).unlink()
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
            self._read_versions()
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
        try:
            holder = json.loads((self.path / _HOLDER).read_bytes())
            pid, host = int(holder["pid"]), holder["host"]
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"  # It has the lock and has not yet come to leave its name.
        if host == socket.gethostname() and not psutil.pid_exists(pid):
            return "another process"  # The name is that of one which was killed before.
        return f"process {pid} on {host}"

    def _remove_partial(self) -> None:
        """Remove what a process that was killed while it wrote a file left beside it."""
        with explained("tidy", self.path):
            for entry in list(self.path.iterdir()):
                if is_partial(entry.name):
                    entry.unlink()

    def _note_holder(self) -> None:
        # Beside the lock file, for Windows lets nobody read a locked one.
        holder = {"pid": os.getpid(), "host": socket.gethostname()}
        write_atomically(self.path / _HOLDER, json.dumps(holder) + "\n")

    def _require_same(self, old: Fields, new: Fields) -> None:
        found = differences(old, new)
        if found:
            more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
            title = f"{self.path}: holds a run of another spec; give another directory, or that run's values:"
            raise InputError("\n  ".join([title, *found[:_SHOWN], *more]))

    def _read_versions(self) -> list[JsonValue]:
        with explained("read", self.versions_file):
            raw = self.versions_file.read_bytes()
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError):
            content = None
        versions = content.get("versions") if isinstance(content, dict) else None
        if not isinstance(versions, list) or content.get("format") != _FORMAT:
            raise InputError(f"{self.versions_file}: is not what a run writes there; give another directory")
        if content.get("version") != _VERSION:
            found = f"has version {content.get('version')!r}, this Zoo reads {_VERSION}"
            raise InputError(f"{self.versions_file}: {found}; update Zoo")
        return versions

    def _note_versions(self, versions: Mapping[str, str]) -> None:
        # Written before spec.yaml, as the mark of a run: a spec.yaml without it is a user's own, not touched.
        known = self._read_versions() if self.versions_file.exists() else []
        if not known or known[-1] != dict(versions):
            content = {"format": _FORMAT, "version": _VERSION, "versions": [*known, dict(versions)]}
            write_atomically(self.versions_file, json.dumps(content, indent=2) + "\n")


def _is_leftover(name: str) -> bool:
    """What a run that was killed while it began may have left, and nothing of the user's."""
    return name in (_LOCK, _HOLDER) or is_partial(name)
