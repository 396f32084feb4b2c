"""The checkpoints of a run: each a directory that is whole or does not count, the newest few kept."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
from zoo_common.checkpoint.tensors import Array, check_tensors, file_size, read_tensors, tensor_chunks
from zoo_common.files import explained, free_bytes, fsync_directory, megabytes
from zoo_spec.errors import EnvironmentFault, InputError

_LOG = logging.getLogger("zoo")
_NAME = re.compile(r"step-(\d{8,})(\.partial|\.replaced|\.deleted)?")
_OVERHEAD = 64 << 10
"""Bytes for the manifest and for what a file system adds to five small files."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were found to be what was saved."""

    step: int
    """Optimizer steps done."""
    path: Path
    spec_hash: str
    state: Mapping[str, JsonValue]
    """What resuming needs beside arrays: data position, random state, best metric."""

    def weights(self) -> dict[str, Array]:
        """Every parameter by canonical name, in torch's layout. Raises DamagedCheckpointError."""
        return read_tensors(self.path / WEIGHTS)

    def optimizer(self) -> dict[str, Array]:
        """Every optimizer slot by ``<canonical name>/<slot>``, in torch's layout; errors as above."""
        return read_tensors(self.path / OPTIMIZER)


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
                self.directory.mkdir(parents=True, exist_ok=True)
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

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint, verified; None if nothing was saved yet.

        A damaged newest checkpoint is an InputError, never passed over in silence, for going on from an older
        one loses work: the message names the file, what is wrong, and what to move to go on from which step.
        """
        steps = self.steps()
        if not steps:
            return None
        try:
            return self._open(steps[-1])
        except DamagedCheckpointError as damage:
            raise InputError(f"{damage}; {self._remedy(steps)}") from damage

    def load(self, step: int) -> Checkpoint:
        """The checkpoint of one step, verified; raises InputError if it is not there or damaged."""
        steps = self.steps()
        if step not in steps:
            there = ", ".join(map(str, steps)) or "none"
            raise InputError(f"{self.directory}: no checkpoint of step {step}; saved steps: {there}")
        return self._open(step)

    def _open(self, step: int) -> Checkpoint:
        path = self._path(step)
        with explained("read the checkpoint", path):
            manifest = Manifest.read(path)
            if manifest.step != step:
                raise DamagedCheckpointError(path / MANIFEST, f"is of step {manifest.step}, not {step}")
            manifest.verify(path)
            check_tensors(path / WEIGHTS)
            check_tensors(path / OPTIMIZER)
            return Checkpoint(step, path, manifest.spec_hash, _read_state(path / STATE))

    def _remedy(self, steps: list[int]) -> str:
        damaged = [str(self._path(steps[-1]))]
        for step in reversed(steps[:-1]):
            try:
                self._open(step)
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


def _read_state(path: Path) -> dict[str, JsonValue]:
    try:
        state = json.loads(path.read_bytes())
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
