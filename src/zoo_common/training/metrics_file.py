"""``metrics.jsonl``: one JSON object a line, each step once, whatever kills and resumes the run had."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias

from zoo_common.files import explained, fsync_file, write_atomically
from zoo_spec.errors import InputError
from zoo_spec.reading import read_file

MetricValue: TypeAlias = str | int | float | bool | None

# JSON has no such numbers, and a diverged run has such losses; the names are those of proto3's JSON form.
_LONGEST = 1_000_000_000
"""Bytes: millions of records."""
_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class MetricsFile:
    """A run's metrics, opened for appending; the caller holds the run directory's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def append(self, record: Mapping[str, MetricValue]) -> None:
        """Add a line, handed to the operating system on return, so that a killed process loses none.

        ``record`` has at least ``step``, an int. Raises EnvironmentFault if the disk refuses.
        """
        _step(record, self.path)
        line = json.dumps({key: _encode(value) for key, value in record.items()}, allow_nan=False) + "\n"
        with explained("write", self.path, needed=len(line)):
            if self._file is None:
                self._file = self.path.open("ab")
            self._file.write(line.encode("ascii"))
            self._file.flush()

    def cut(self, step: int | None = None) -> None:
        """Drop the records beyond ``step`` (by default none), and a last line that a kill cut short.

        The file is replaced as a whole, and only if there is something to drop. Raises InputError if a line
        before the last is damaged.
        """
        self.close()
        if not self.path.exists():
            return
        lines = [
            line for line, record in _parse(self.path) if step is None or _step(record, self.path) <= step
        ]
        kept = b"".join(line + b"\n" for line in lines)
        with explained("read", self.path):
            size = self.path.stat().st_size
        if len(kept) != size:
            write_atomically(self.path, kept)

    def sync(self) -> None:
        """Return once the lines are on the disk, where a power cut leaves them. Raises EnvironmentFault."""
        if self._file is not None:
            with explained("write", self.path):
                fsync_file(self._file.fileno())

    def close(self) -> None:
        """Let go of the file, its lines on the disk; a later ``append`` opens it again."""
        if self._file is not None:
            file, self._file = self._file, None
            with explained("write", self.path), file:
                fsync_file(file.fileno())


def read_metrics(path: Path) -> list[dict[str, MetricValue]]:
    """Every record of a metrics file, in order; a last line that a kill cut short is left out.

    Raises InputError if there is no such file or a line before the last is damaged.
    """
    return [record for _, record in _parse(path)]


def losses(logged: Sequence[Mapping[str, MetricValue]], split: str = "train") -> dict[int, float]:
    """The loss by step of what ``train`` returned or ``metrics.jsonl`` holds."""
    found = {}
    for record in logged:
        step, loss = record.get("step"), record.get("loss")
        if record.get("split") == split and isinstance(step, int) and isinstance(loss, float):
            found[step] = loss
    return found


def _parse(path: Path) -> list[tuple[bytes, dict[str, MetricValue]]]:
    lines = read_file(path, most=_LONGEST, remedy="leave out records that are no longer needed").split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            records.append((line, {key: _decode(value) for key, value in record.items()}))
        elif number < len(lines):
            raise InputError(f"{path}:{number}: not a JSON object: {line[:60]!r}; correct or delete the line")
    return records


def _step(record: Mapping[str, MetricValue], path: Path) -> int:
    step = record.get("step")
    if not isinstance(step, int) or isinstance(step, bool):
        raise InputError(f"{path}: a record without a whole number as its step: {dict(record)!r}")
    return step


def _encode(value: MetricValue) -> MetricValue:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decode(value: MetricValue) -> MetricValue:
    return _NAMES.get(value, value) if isinstance(value, str) else value
