"""A saved checkpoint as whoever reads it has it: verified, and its files held open."""

from __future__ import annotations

import json
import weakref
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue

from zoo_common.checkpoint.manifest import STATE, DamagedCheckpointError, Manifest
from zoo_common.checkpoint.tensors import TensorFile, joined
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array

_LARGEST_STATE = 16 << 20


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
        self.weights_hash = manifest.weights_hash
        self.state: Mapping[str, JsonValue] = _read_state(files[STATE], path / STATE)
        """What resuming needs beside arrays: data position, random state, best metric."""
        self.is_published = self.step == 0 and self.state.get("framework", "") is None
        """Whether these are somebody's published weights: of no step, no framework, and with no optimizer."""
        self.is_kept = False
        """Whether ``keep`` was called."""
        self._weights = joined([TensorFile(files[name], path / name) for name in manifest.weights_files])
        self._close = weakref.finalize(self, held.pop_all().close)

    @classmethod
    def read_of(cls, manifest: Manifest) -> Collection[str]:
        """The files that are read, and so verified."""
        return *manifest.weights_files, STATE

    def weights(self) -> WeightSource:
        """Every parameter by canonical name, in torch's layout. Reading one may raise DamagedCheckpointError."""
        return _Held(self._weights, self)

    def entries(self) -> dict[str, Entry]:
        """The dtype and shape of everything that it has; reads no values."""
        return dict(self._weights.entries)

    def keep(self) -> None:
        """Have ``close`` do nothing: the files are held open for as long as somebody has one of its sources."""
        self.is_kept = True

    def close(self) -> None:
        """Let go of the files, whose room on the disk is free once they are removed too."""
        if not self.is_kept:
            self._close()


class Checkpoint(SavedWeights):
    """A checkpoint for who goes on training from it."""

    def __init__(
        self, path: Path, manifest: Manifest, files: Mapping[str, BinaryIO], held: ExitStack
    ) -> None:
        self._optimizer = joined([TensorFile(files[name], path / name) for name in manifest.optimizer_files])
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
    """Tensors of files that are open for as long as their checkpoint is there."""

    def __init__(self, source: WeightSource, checkpoint: SavedWeights) -> None:
        self.entries = source.entries
        self._source, self._checkpoint = source, checkpoint

    @property
    def lasts(self) -> bool:
        """Whether nobody closes the files before this is let go of."""
        return self._checkpoint.is_kept

    def read(self, name: str) -> Array:
        """The files'."""
        return self._source.read(name)


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
