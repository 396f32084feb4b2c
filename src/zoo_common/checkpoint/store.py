"""The checkpoints of a run: each a directory that is whole or does not count, the newest few kept."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import JsonValue

from zoo_common.checkpoint.manifest import (
    MANIFEST,
    OPTIMIZER,
    STATE,
    WEIGHTS,
    DamagedCheckpointError,
    Manifest,
    write_file,
)
from zoo_common.checkpoint.tensors import TensorFile
from zoo_common.containers.safetensors_writing import file_size, tensor_chunks
from zoo_common.files import explained, free_bytes, fsync_directory, megabytes
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.errors import EnvironmentFault, InputError

_LOG = logging.getLogger("zoo")
_NAME = re.compile(r"step-(\d{8,})(\.partial|\.replaced|\.deleted)?")
_OVERHEAD = 64 << 10
"""Bytes for the manifest and for what a file system adds to five small files."""
_LARGEST_STATE = 16 << 20
_TRIES = 5


class SavedWeights:
    """A checkpoint for who only computes with it; its files were found to be what was saved, and are held open.

    So its weights are those of ``step`` also when the process that trains has saved more and removed it, until
    ``close``.
    """

    def __init__(
        self, path: Path, manifest: Manifest, files: Mapping[str, BinaryIO], held: ExitStack
    ) -> None:
        self.step = manifest.step
        """Optimizer steps done."""
        self.path = path
        self.spec_hash = manifest.spec_hash
        self.weights_hash = manifest.files[WEIGHTS].sha256
        self.state: Mapping[str, JsonValue] = _read_state(files[STATE], path / STATE)
        """What resuming needs beside arrays: data position, random state, best metric."""
        self.is_published = self.step == 0 and self.state.get("framework", "") is None
        """Whether these are somebody's published weights: of no step, no framework, and with no optimizer."""
        self._weights = TensorFile(files[WEIGHTS], path / WEIGHTS)
        self._close = weakref.finalize(self, held.pop_all().close)

    @classmethod
    def read_of(cls, manifest: Manifest) -> Collection[str]:
        """The files that are read, and so verified."""
        return WEIGHTS, STATE

    def weights(self) -> WeightSource:
        """Every parameter by canonical name, in torch's layout. Reading one may raise DamagedCheckpointError."""
        return _Held(self._weights, self)

    def entries(self) -> dict[str, Entry]:
        """The dtype and shape of everything that it has; reads no values."""
        return dict(self._weights.entries)

    def close(self) -> None:
        """Let go of the files, whose room on the disk is free once they are removed too."""
        self._close()


class Checkpoint(SavedWeights):
    """A checkpoint for who goes on training from it."""

    def __init__(
        self, path: Path, manifest: Manifest, files: Mapping[str, BinaryIO], held: ExitStack
    ) -> None:
        self._optimizer = TensorFile(files[OPTIMIZER], path / OPTIMIZER)
        super().__init__(path, manifest, files, held)

    @classmethod
    def read_of(cls, manifest: Manifest) -> Collection[str]:
        """All that is listed."""
        return manifest.files

    def optimizer(self) -> WeightSource:
        """Every optimizer moment by ``<canonical name>/<moment>``, in torch's layout; errors as of the weights."""
        return _Held(self._optimizer, self)

    def entries(self) -> dict[str, Entry]:
        """As of its weights, and of the slots."""
        return {**super().entries(), **self._optimizer.entries}


class _Held(WeightSource):
    """Tensors of a file that is open for as long as its checkpoint is there."""

    def __init__(self, file: TensorFile, checkpoint: SavedWeights) -> None:
        self.entries = file.entries
        self._file, self._checkpoint = file, checkpoint

    def read(self, name: str) -> Array:
        """The file's."""
        return self._file.read(name)


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
    ) -> Path:
        """Save a step and return its directory; on return it is on the disk and survives a power cut.

        Until then the older checkpoints are untouched, and a failure leaves nothing behind. Saving a step
        again replaces it. Raises EnvironmentFault (disk full, read-only), or ValueError for a ``state`` with
        NaN or infinity and for arrays of a dtype that the format does not have.
        """
        state_json = json.dumps(dict(state), indent=2, allow_nan=False).encode("ascii") + b"\n"
        needed = file_size(weights) + file_size(optimizer) + len(state_json) + _OVERHEAD
        target = self.directory / _directory_name(step)
        with explained("save the checkpoint", target, needed):
            if not self.directory.exists():
                self.directory.mkdir(exist_ok=True)  # Not its parent: a run that was deleted stays so.
                fsync_directory(self.directory.parent)
            self._clean()
            self._require_room(target, needed)
            with _new_directory(target.with_name(f"{target.name}.partial")) as partial:
                files = {
                    WEIGHTS: write_file(partial / WEIGHTS, tensor_chunks(weights)),
                    OPTIMIZER: write_file(partial / OPTIMIZER, tensor_chunks(optimizer)),
                    STATE: write_file(partial / STATE, [state_json]),
                }
                manifest = Manifest(step=step, spec_hash=spec_hash, files=files)
                write_file(partial / MANIFEST, [manifest.render()])
                fsync_directory(partial)
                if target.exists():
                    os.replace(target, _replaced(target))
                os.replace(partial, target)
                fsync_directory(self.directory)
        self._forget_old(step)
        return target

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

    def _clean(self) -> None:
        """Remove what a killed process left: checkpoints begun, given up or replaced by a whole one."""
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
            self._clean()
        except OSError as error:
            _LOG.warning("cannot remove an old checkpoint in %s: %s", self.directory, error)


@contextmanager
def _new_directory(path: Path) -> Iterator[Path]:
    """Make a directory that is removed again, with its content, if what follows fails."""
    path.mkdir()
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _read_state(file: BinaryIO, path: Path) -> dict[str, JsonValue]:
    file.seek(0)
    raw = file.read(_LARGEST_STATE + 1)
    if len(raw) > _LARGEST_STATE:
        raise DamagedCheckpointError(path, f"is longer than {_LARGEST_STATE:,} bytes; no state is")
    try:
        state = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpointError(path, f"is not JSON: {error}") from error
    if not isinstance(state, dict):
        raise DamagedCheckpointError(path, f"holds a {type(state).__name__}, not an object")
    return state


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
