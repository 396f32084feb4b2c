"""The checkpoints of a run: each a directory that is whole or does not count, the newest few kept."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import JsonValue

from zoo_common.backend import State, Written
from zoo_common.checkpoint.manifest import MANIFEST, DamagedCheckpointError, Manifest
from zoo_common.checkpoint.saved import Checkpoint, SavedWeights
from zoo_common.checkpoint.saving import PartialCheckpoint, Records, needed_bytes
from zoo_common.files import explained, free_bytes, fsync_directory, megabytes
from zoo_spec.arrays import Array
from zoo_spec.errors import EnvironmentFault, InputError

_LOG = logging.getLogger("zoo")
_NAME = re.compile(r"step-(\d{8,})(\.partial|\.replaced|\.deleted)?")
_TRIES = 5


Part = TypeVar("Part", SavedWeights, Checkpoint)


class CheckpointStore:
    """A directory of checkpoints, ``step-00000100`` and so on; one process at a time may write to it.

    ``keep`` is how many of the newest stay, at least one.
    """

    def __init__(self, directory: Path, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self.directory = directory
        self.keep = keep

    def save(
        self,
        step: int,
        weights: Mapping[str, Array],
        optimizer: Mapping[str, Array],
        state: Mapping[str, JsonValue],
        spec_hash: str,
        written: Written | None = None,
    ) -> Path:
        """Save a step and return its directory; on return it is on the disk and survives a power cut.

        What is in the files that are ``written`` is not written again: they become the checkpoint's.
        Until then the older checkpoints are untouched, and a failure leaves nothing behind. Saving a step
        again replaces it. Raises EnvironmentFault (disk full, read-only; a written file that is damaged),
        NotFiniteError for what is written, or ValueError for a ``state`` with NaN or infinity and for arrays of a
        dtype that the format does not have.
        """
        if written is None:
            with self.saving(step, needed_bytes(weights, optimizer, state)) as saving:
                records = saving.partial.write_whole(weights, optimizer)
                return saving.finish(records, state, spec_hash, version=1)
        whole = State(weights, optimizer, step, written)
        rest = whole.unwritten_weights, whole.unwritten_optimizer
        with self.saving(step, needed_bytes(*rest, state)) as saving:
            records = saving.partial.write_part(1, *rest)
            taken, names = saving.partial.take(written)
            path = saving.finish({**records, **taken}, state, spec_hash)
        for file, name in names.items():
            file.moved(path / name)
        return path

    def partial(self, step: int) -> PartialCheckpoint:
        """Where the parts of a checkpoint go that ``saving`` has begun, in this process or another."""
        return PartialCheckpoint(self.directory / f"{_directory_name(step)}.partial")

    @contextmanager
    def saving(self, step: int, needed: int) -> Iterator[Saving]:
        """Begin a checkpoint of ``needed`` bytes, which other processes may write parts of too; then finish it.

        What was begun is removed if it fails before. Errors as of ``save``.
        """
        target = self.directory / _directory_name(step)
        with explained("save the checkpoint", target, needed):
            if not self.directory.exists():
                self.directory.mkdir(exist_ok=True)  # Not its parent: a run that was deleted stays so.
                fsync_directory(self.directory.parent)
            self.tidy()
            self._require_room(target, needed)
            partial = self.partial(step)
            with _new_directory(partial.path):
                yield Saving(step, partial, target)
        self._forget_old(step)

    def steps(self) -> list[int]:
        """Every saved step, oldest first, whether or not it verifies; unfinished ones do not count."""
        if not self.directory.is_dir():
            return []
        with explained("read", self.directory):
            found = [_parse(entry.name) for entry in self.directory.iterdir() if entry.is_dir()]
        return sorted({step for step, suffix in found if step >= 0 and suffix in ("", ".replaced")})

    def spec_hashes(self) -> list[str]:
        """The hash of the spec of every checkpoint whose manifest can be read, each once, oldest first."""
        found: dict[str, None] = {}
        for step in self.steps():
            with suppress(InputError):
                found[Manifest.read(self._path(step)).spec_hash] = None
        return list(found)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint, verified; None if nothing was saved yet.

        A damaged newest checkpoint is an InputError, never passed over in silence, for going on from an older
        one loses work: the message names the file, what is wrong, and what to move to go on from which step.
        """
        return self._latest(Checkpoint)

    def latest_weights(self) -> SavedWeights | None:
        """As ``latest``, for who needs no optimizer: of what only that has, the size alone is compared."""
        return self._latest(SavedWeights)

    def load(self, step: int) -> Checkpoint:
        """The checkpoint of one step, verified; raises InputError if it is not there or damaged."""
        return self._load(step, Checkpoint)

    def load_weights(self, step: int) -> SavedWeights:
        """As ``load``, for who needs no optimizer."""
        return self._load(step, SavedWeights)

    def _latest(self, part: type[Part]) -> Part | None:
        for _ in range(_TRIES):
            before = self._there()
            steps = self.steps()
            if not steps:
                return None
            try:
                return self._open(steps[-1], part)
            except InputError as error:
                if self._there() != before:
                    continue  # Whoever trains has saved meanwhile, and removed this one.
                if isinstance(error, DamagedCheckpointError):
                    raise InputError(f"{error}; {self._remedy(steps)}") from error
                raise
        raise InputError(
            f"{self.directory}: is written to faster than it can be read; wait for the run to end"
        )

    def require(self, step: int) -> None:
        """InputError unless that step is saved; opens nothing."""
        steps = self.steps()
        if step not in steps:
            there = ", ".join(map(str, steps)) or "none"
            raise InputError(f"{self.directory}: no checkpoint of step {step}; saved steps: {there}")

    def _load(self, step: int, part: type[Part]) -> Part:
        self.require(step)
        return self._open(step, part)

    def _open(self, step: int, part: type[Part]) -> Part:
        path = self._path(step)
        with explained("read the checkpoint", path), ExitStack() as held:
            manifest = Manifest.read(path)
            if manifest.step != step:
                raise DamagedCheckpointError(path / MANIFEST, f"is of step {manifest.step}, not {step}")
            return part(path, manifest, manifest.verify(path, part.read_of(manifest), held), held)

    def _there(self) -> set[tuple[str, int]]:
        """Which directories are there at this moment: a name, and what tells it from another of that name."""
        with suppress(OSError):
            return {(entry.name, entry.inode()) for entry in os.scandir(self.directory)}
        return set()

    def _remedy(self, steps: list[int]) -> str:
        damaged = [str(self._path(steps[-1]))]
        for step in reversed(steps[:-1]):
            try:
                self._open(step, Checkpoint)
            except InputError:
                damaged.append(str(self._path(step)))
            else:
                return f"delete or move {' and '.join(damaged)} to go on from step {step}"
        return f"no other is good; delete or move {' and '.join(damaged)} to start again from step 0"

    def _path(self, step: int) -> Path:
        path = self.directory / _directory_name(step)
        return path if path.exists() else _replaced(path)

    def _require_room(self, target: Path, needed: int) -> None:
        free = free_bytes(self.directory)
        if free < needed:
            raise EnvironmentFault(
                f"cannot save the checkpoint {target}: {megabytes(needed)} needed, {megabytes(free)} free on "
                f"the disk; free some room (the checkpoints saved before are untouched)"
            )

    def tidy(self) -> None:
        """Remove what a killed process left, checkpoints begun, given up or replaced; raises OSError."""
        if not self.directory.is_dir():
            return
        for entry in list(self.directory.iterdir()):
            step, suffix = _parse(entry.name)
            whole = suffix == ".replaced" and not (self.directory / _directory_name(step)).exists()
            if suffix and not whole:
                shutil.rmtree(entry)

    def _forget_old(self, saved: int) -> None:
        """Remove all but the newest; a failure (on Windows: one is being read) does not stop a good run."""
        try:
            for step in self.steps()[: -self.keep]:
                if step != saved:
                    path = self._path(step)
                    # Renamed first, so that a kill halfway leaves no half of a checkpoint under its name.
                    os.replace(path, path.with_name(f"{_directory_name(step)}.deleted"))
            self.tidy()
        except OSError as error:
            _LOG.warning("cannot remove an old checkpoint in %s: %s", self.directory, error)


@dataclass(frozen=True)
class Saving:
    """A checkpoint of ``step`` that was begun."""

    step: int
    partial: PartialCheckpoint
    target: Path

    def finish(
        self, records: Records, state: Mapping[str, JsonValue], spec_hash: str, *, version: Literal[1, 2] = 2
    ) -> Path:
        """Have it count, with these files, all of which are written; returns its directory."""
        manifest = Manifest(version=version, step=self.step, spec_hash=spec_hash, files=records)
        self.partial.finish(manifest, state)
        if self.target.exists():
            os.replace(self.target, _replaced(self.target))
        os.replace(self.partial.path, self.target)
        fsync_directory(self.target.parent)
        return self.target


@contextmanager
def _new_directory(path: Path) -> Iterator[Path]:
    """Make a directory that is removed again, with its content, if what follows fails."""
    path.mkdir()
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _directory_name(step: int) -> str:
    return f"step-{step:08d}"


def _replaced(path: Path) -> Path:
    """Where a checkpoint waits, still readable, while its own replacement takes its name."""
    return path.with_name(f"{path.name}.replaced")


def _parse(name: str) -> tuple[int, str]:
    """The step and suffix that a directory name stands for; step -1 if it is not one of ours."""
    match = _NAME.fullmatch(name)
    if match is None or _directory_name(int(match[1])) != f"step-{match[1]}":
        return -1, ""
    return int(match[1]), match[2] or ""
