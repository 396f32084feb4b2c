"""A checkpoint while it is being saved: begun and finished by one process, its files written by any number."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Written, WrittenFile
from zoo_common.checkpoint.manifest import (
    MANIFEST,
    OPTIMIZER,
    STATE,
    WEIGHTS,
    FileRecord,
    Manifest,
    numbered,
    record_of,
    write_file,
)
from zoo_common.containers.safetensors_writing import file_size, tensor_chunks
from zoo_common.files import fsync_directory, fsync_file
from zoo_spec.arrays import Array

_OVERHEAD = 64 << 10
"""Bytes for the manifest and for what a file system adds to five small files."""

Records = dict[str, FileRecord]
"""Files of a checkpoint by name."""


class PartialCheckpoint:
    """A directory that is no checkpoint yet, at ``path``; several processes may each write their files to it.

    Every method raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_whole(self, weights: Mapping[str, Array], optimizer: Mapping[str, Array]) -> Records:
        """Write the two files of a checkpoint of version 1."""
        return {
            WEIGHTS: write_file(self.path / WEIGHTS, tensor_chunks(weights)),
            OPTIMIZER: write_file(self.path / OPTIMIZER, tensor_chunks(optimizer)),
        }

    def write_part(
        self, number: int, weights: Mapping[str, Array], optimizer: Mapping[str, Array]
    ) -> Records:
        """Write the files of this number, counted from 1, of a checkpoint of version 2; none where it has no tensor.

        No name is in two parts, and no number is given twice.
        """
        parts = {numbered(WEIGHTS, number): weights, numbered(OPTIMIZER, number): optimizer}
        return {
            name: write_file(self.path / name, tensor_chunks(tensors))
            for name, tensors in parts.items()
            if tensors
        }

    def take(self, written: Written) -> tuple[Records, dict[WrittenFile, str]]:
        """Have files that are written already be of it, from number 2 on, and say what each is called there."""
        records: Records = {}
        names: dict[WrittenFile, str] = {}
        for stem, files in ((WEIGHTS, written.weights), (OPTIMIZER, written.optimizer)):
            for number, file in enumerate(files, 2):
                name = numbered(stem, number)
                records[name], names[file] = record_of(file.content()), name
                _put(*file.place(), self.path / name)
        return records, names

    def finish(self, manifest: Manifest, state: Mapping[str, JsonValue]) -> None:
        """Write the rest, the manifest last; on return the directory is on the disk, under its own name."""
        record = write_file(self.path / STATE, [state_bytes(state)])
        manifest = manifest.model_copy(update={"files": {**manifest.files, STATE: record}})
        write_file(self.path / MANIFEST, [manifest.render()])
        fsync_directory(self.path)


def needed_bytes(
    weights: Mapping[str, Array], optimizer: Mapping[str, Array], state: Mapping[str, JsonValue]
) -> int:
    """Room that a checkpoint of these takes; reads no values."""
    return file_size(weights) + file_size(optimizer) + len(state_bytes(state)) + _OVERHEAD


def state_bytes(state: Mapping[str, JsonValue]) -> bytes:
    """The content of ``state.json``. Raises ValueError for NaN and infinity."""
    return json.dumps(dict(state), indent=2, allow_nan=False).encode("ascii") + b"\n"


def _put(source: Path, may_move: bool, target: Path) -> None:
    """Have a file be in another place too, or there alone where that is allowed, with its bytes on the disk."""
    if may_move:
        with source.open("r+b") as file:
            fsync_file(file.fileno())
        os.replace(source, target)
        return
    with suppress(OSError):  # Not every file system has links.
        os.link(source, target)
        return
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        fsync_file(file.fileno())
