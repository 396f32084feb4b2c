"""Where somebody's weights are: a folder or a file, and which of its files hold tensors, by their content."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

from pydantic import JsonValue

from zoo_common.containers import FORMATS, Container
from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.containers.tensor_bundle import is_data
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, printable, reading

Opened = TypeVar("Opened", bound=Container)

_INDEX = "weight_map"
_SHOWN = 5


@dataclass(frozen=True)
class Box:
    """A file, or several with their index, that hold tensors in a ``format``."""

    format: str
    path: Path
    files: tuple[Path, ...]

    def open(self) -> Container:
        """Its tensors; InputError for what is damaged."""
        return FORMATS[self.format](self.path)


class Place:
    """A path that a user gave. What it opens stays open until ``close``."""

    def __init__(self, path: Path, only: str | None = None) -> None:
        if not path.exists() and not any(path.parent.glob(f"{path.name}.*")):
            raise UnreadableFileError(path, "there is no such file or folder")
        if only is not None and only not in FORMATS:
            raise InputError(f"--format {only}: is none of {', '.join(FORMATS)}")
        self.path = path
        self.folder = path if path.is_dir() else path.parent
        self._only = only
        self._held = ExitStack()
        self._open: dict[Path, Container] = {}

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """What holds tensors here; for a folder, what lies in it and not deeper."""
        found = self._found()
        shards = {file for box in found if box.format == "sharded" for file in box.files}
        found = [box for box in found if box.path not in shards]
        if self._only is None:
            return tuple(found)
        wanted = tuple(box for box in found if self._only in (box.format, self.kind(box)))
        if found and not wanted:
            there = ", ".join(f"{printable(box.path.name)} ({self.kind(box)})" for box in found[:_SHOWN])
            raise InputError(f"--format {self._only}: {printable(self.path)} has none of it; it has {there}")
        return wanted

    def kind(self, box: Box) -> str:
        """The format of its tensors, which of several files with an index is theirs."""
        if box.format != "sharded":
            return box.format
        first = next((file for file in box.files if file.is_file()), None)
        return next(
            (name for name, cls in FORMATS.items() if first is not None and cls.sniff(first)), box.format
        )

    def tensors(self, box: Box) -> Container:
        """A box' tensors, opened once."""
        if box.path not in self._open:
            self._open[box.path] = self._held.enter_context(box.open())
        return self._open[box.path]

    def opened(self, path: Path, cls: type[Opened]) -> Opened:
        """The container of this class at a path, which is closed with the place."""
        found = cls(path)
        self._held.callback(found.close)
        return found

    def json(self, name: str) -> dict[str, JsonValue] | None:
        """What a file of the folder holds; None where there is none. InputError for what is no JSON mapping."""
        path = self.folder / name
        return read_json_mapping(path) if path.is_file() else None

    def close(self) -> None:
        """Let go of all that is open."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _found(self) -> list[Box]:
        found = [self._box(name, path) for path in self._files() if (name := _format(path)) is not None]
        whole = _format(self.path) if not found and self.path.is_dir() else None
        return found if whole is None else [self._box(whole, self.path)]

    def _files(self) -> list[Path]:
        """The path itself, or a folder's files; of TensorFlow's checkpoints, which have two, their index."""
        if not self.path.is_dir():
            return [self.path]
        with reading(self.path):
            return sorted(path for path in self.path.iterdir() if path.is_file() and not is_data(path))

    def _box(self, name: str, path: Path) -> Box:
        if name != "sharded":
            files = tuple(sorted(path.iterdir())) if path.is_dir() else (path,)
            return Box(name, path, tuple(file for file in files if file.is_file()))
        places = read_json_mapping(path).get(_INDEX)
        names = {str(file) for file in places.values()} if isinstance(places, dict) else set()
        return Box(
            name, path, tuple(path.with_name(Path(file).name) for file in sorted(names) if Path(file).name)
        )


def _format(path: Path) -> str | None:
    return next((name for name, cls in FORMATS.items() if cls.sniff(path)), None)
