"""A checkpoint's manifest: which files it has, their sizes and SHA-256, and a checksum of itself."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, Self

from pydantic import Field, ValidationError

from zoo_common.files import allow_open_files, fsync_file, sha256_of
from zoo_spec.base import NonNegativeInt, Spec
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, open_file, read_file

MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"

VERSIONS = (1, 2)
"""With 1 there is one file of weights and one of the optimizer, with 2 there are any number of each, by number."""
_ZEROS = "0" * 64
_LARGEST_MANIFEST = 16 << 20

FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
"""Plain names only: no separator, and no leading dot, so a manifest cannot point outside its directory."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DamagedCheckpointError(InputError):
    """A checkpoint is not what was saved; the message begins with the file that is wrong."""

    def __init__(self, file: Path, reason: str) -> None:
        self.file = file
        super().__init__(f"{file}: {reason}")


class FileRecord(Spec):
    """What a file must be, byte for byte."""

    size: NonNegativeInt
    """Length in bytes."""
    sha256: Sha256


class Manifest(Spec):
    """The list of a checkpoint's files; whatever is not listed is no part of the checkpoint."""

    format: Literal["zoo-checkpoint"] = "zoo-checkpoint"
    version: Literal[1, 2] = 1
    step: NonNegativeInt
    """Optimizer steps done."""
    spec_hash: str
    """The hash of the spec that was being trained."""
    files: dict[FileName, FileRecord]
    checksum: Sha256 = _ZEROS
    """SHA-256 of this file with 64 zeros in this place."""

    def render(self) -> bytes:
        """The file's content, its checksum filled in."""
        blank = self.model_copy(update={"checksum": _ZEROS}).model_dump_json(indent=2).encode() + b"\n"
        return _with_checksum(blank, _ZEROS, hashlib.sha256(blank).hexdigest())

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The manifest of a checkpoint directory, itself verified; its files are not looked at.

        Raises DamagedCheckpointError, or InputError for a format version that this code does not know.
        """
        path = directory / MANIFEST
        try:
            raw = read_file(path, most=_LARGEST_MANIFEST, remedy="no checkpoint has such a one")
        except UnreadableFileError as error:
            raise DamagedCheckpointError(path, "is missing" if not path.exists() else error.reason) from error
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise DamagedCheckpointError(path, f"is not JSON: {error}") from error
        content = content if isinstance(content, dict) else {}
        stated = content.get("checksum")
        if not isinstance(stated, str) or not re.fullmatch("[0-9a-f]{64}", stated):
            raise DamagedCheckpointError(path, f"has no checksum of 64 hexadecimal digits but {stated!r}")
        found = hashlib.sha256(_with_checksum(raw, stated, _ZEROS)).hexdigest()
        if found != stated:
            raise DamagedCheckpointError(path, f"has the SHA-256 {found}, its own checksum says {stated}")
        version = content.get("version")
        if version not in VERSIONS or isinstance(version, bool):
            known = " and ".join(map(str, VERSIONS))
            raise InputError(f"{path}: has format version {version!r}, this Zoo reads {known}; update Zoo")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            # Escaped, for a name in a file from a stranger may hold anything.
            place = ".".join(str(part) for part in first["loc"]).encode("unicode_escape").decode("ascii")
            raise DamagedCheckpointError(path, f"{place}: {first['msg']}") from error

    @property
    def weights_files(self) -> list[str]:
        """The names of the files with weights, in order."""
        return self._files_of(WEIGHTS)

    @property
    def optimizer_files(self) -> list[str]:
        """The names of the files with the optimizer's moments, in order."""
        return self._files_of(OPTIMIZER)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file of weights; of several, of their hashes in order."""
        hashes = [self.files[name].sha256 for name in self.weights_files]
        return hashes[0] if self.version == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    def _files_of(self, name: str) -> list[str]:
        if self.version == 1:
            return [name]
        stem, _, suffix = name.partition(".")
        return sorted(each for each in self.files if re.fullmatch(rf"{stem}-\d{{5}}\.{suffix}", each))

    def verify(self, directory: Path, names: Collection[str], held: ExitStack) -> dict[str, BinaryIO]:
        """Compare every file's size with its record, then the hashes of these; they are left open.

        What is read of these is then what was verified, whatever becomes of the directory; ``held`` closes them.
        Raises DamagedCheckpointError naming the file, with the size or hash that was expected and found.
        """
        one = self.version == 1
        for name in (
            (WEIGHTS, OPTIMIZER, STATE) if one else (STATE, *(self.weights_files or [numbered(WEIGHTS, 1)]))
        ):
            if name not in self.files:
                raise DamagedCheckpointError(directory / MANIFEST, f"does not list {name}")
        for name, record in self.files.items():
            size = _size(directory / name)
            if size != record.size:
                reason = f"has {size:,} bytes, the manifest says {record.size:,}"
                raise DamagedCheckpointError(directory / name, reason)
        files = {}
        allow_open_files(len(names))
        for name in names:
            files[name] = held.enter_context(open_file(directory / name))
            sha256, record = sha256_of(files[name]), self.files[name]
            if sha256 != record.sha256:
                reason = f"has the SHA-256 {sha256}, the manifest says {record.sha256}"
                raise DamagedCheckpointError(directory / name, reason)
        return files


def numbered(name: str, number: int) -> str:
    """``weights-00001.safetensors``, the first of several in the place of ``weights.safetensors``."""
    stem, _, suffix = name.partition(".")
    return f"{stem}-{number:05d}.{suffix}"


def record_of(chunks: Iterable[bytes | memoryview]) -> FileRecord:
    """The record of a file that has these bytes."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return FileRecord(size=size, sha256=digest.hexdigest())


def write_file(path: Path, chunks: Iterable[bytes | memoryview]) -> FileRecord:
    """Write a new file and have it on the disk on return; its record is made of what was meant to be written.

    The bytes are hashed on their way, so one that goes wrong between memory and disk shows when the file is
    verified. Raises OSError; the caller removes what was begun.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        fsync_file(file.fileno())
    return FileRecord(size=size, sha256=digest.hexdigest())


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DamagedCheckpointError(path, "is missing") from error
    if not stat.S_ISREG(status.st_mode):  # A pipe or a device would be read for ever.
        raise DamagedCheckpointError(path, "is not a regular file")
    return status.st_size


def _with_checksum(raw: bytes, old: str, new: str) -> bytes:
    entry = b'"checksum": "%s"'
    return raw.replace(entry % old.encode(), entry % new.encode(), 1)
