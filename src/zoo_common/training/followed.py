"""A run's directory as all replicas but the first have it: they read what is there, and write nothing."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from zoo_common.replicas import Replicas, all_do, told
from zoo_common.training.events import EventWriter
from zoo_common.training.origin import Beginning
from zoo_common.training.run_directory import MetricValue, RunDirectory
from zoo_spec.errors import InputError


class FollowedDirectory(RunDirectory):
    """One that replica 0 has open, and writes to."""

    def note_divergence(self, step: int) -> None:
        """Left to replica 0, as are the next ones."""

    def note_beginning(self, beginning: Beginning) -> None:
        """Left to replica 0."""

    def require_there(self) -> None:
        """Left to replica 0."""

    def append_metrics(self, record: Mapping[str, MetricValue]) -> None:
        """Left to replica 0."""

    def sync_metrics(self) -> None:
        """Left to replica 0."""

    def cut_metrics(self, step: int) -> None:
        """Left to replica 0."""

    def discard(self) -> None:
        """Left to replica 0."""

    def event_writer(self, split: str, start: int) -> EventWriter:
        """One that writes nothing."""
        return _NoEvents(self.events / split, start)


class _NoEvents(EventWriter):
    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        return


def require_shared(replicas: Replicas, directory: RunDirectory) -> None:
    """Raise InputError, on all, unless every replica sees the directory that replica 0 has open."""
    holder = directory.holder_file
    mine = _content(holder)
    host = socket.gethostname()
    wanted = told(replicas, [mine, host])
    assert isinstance(wanted, list)

    def require() -> None:
        if wanted[0] != mine:
            raise InputError(
                f"{directory.path} on {host} is not the directory that replica 0 has on {wanted[1]}; give --run-dir "
                "a directory on a file system that all machines share"
            )

    all_do(replicas, require)


def _content(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text(encoding="utf-8")
    return None
