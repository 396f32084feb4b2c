"""A checkpoint in several files, with an index of which tensor lies in which: ``*.index.json``.

``{"metadata": {...}, "weight_map": {name: file}}``, as huggingface_hub writes it beside the shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import JsonValue

from zoo_common.containers.base import Container, first_bytes
from zoo_common.containers.few_open import FewOpen, closed_if_it_fails
from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.containers.safetensors import Safetensors
from zoo_common.containers.torch_file import TorchFile
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError, printable

SHARDS: tuple[type[Container], ...] = (Safetensors, TorchFile)
"""What a shard may be."""
_SNIFFED = 65_536
_SHOWN = 5


class Sharded(Container):
    """The tensors of every file that an index names; few of the files are open at a time.

    Raises InputError where the two do not agree: a file that is missing, a tensor that is in no file, or in one and
    not in the index; and for a file's name that leads out of the index' own folder.
    """

    format: ClassVar[str] = "sharded"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._places = self._weight_map(read_json_mapping(path).get("weight_map"))
        self._shards = FewOpen(self._open)
        with closed_if_it_fails(self._shards):
            found: dict[str, Entry] = {}
            for shard in sorted(set(self._places.values())):
                found.update(self._entries(shard))
            self._refuse("no shard has", [name for name in self._places if name not in found])
        self.entries = {name: found[name] for name in self._places}

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether it is a JSON object that soon says where weights are."""
        first = first_bytes(path, _SNIFFED)
        return first.lstrip().startswith(b"{") and b'"weight_map"' in first

    def read(self, name: str) -> Array:
        """One tensor, from its shard."""
        return self._shards.get(self._places[name]).read(name)

    def close(self) -> None:
        """Close the shards that are open."""
        self._shards.close()

    def _weight_map(self, value: JsonValue) -> dict[str, Path]:
        if not isinstance(value, dict) or not value:
            raise self.damage('says of no tensor where it is (its "weight_map" is no mapping or empty)')
        return {name: sibling(self.path, name, file) for name, file in value.items()}

    def _open(self, path: Path) -> Container:
        if not path.is_file():
            raise self.damage(
                f"the shard {printable(path.name)} is missing; get it from where the others are from"
            )
        for cls in SHARDS:
            if cls.sniff(path):
                return cls(path)
        kinds = " or ".join(cls.format for cls in SHARDS)
        raise UnreadableFileError(path, f"is no file of tensors ({kinds}), or damaged")

    def _entries(self, path: Path) -> Mapping[str, Entry]:
        found = self._shards.get(path).entries
        strangers = [name for name in found if self._places.get(name) != path]
        self._refuse(f"{printable(path.name)} has, and the index says they are not there:", strangers)
        return found

    def _refuse(self, what: str, names: list[str]) -> None:
        if names:
            shown = ", ".join(printable(name)[:200] for name in names[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise self.damage(f"index and shards differ: {what} {shown}{more}")


def sibling(path: Path, name: str, file: JsonValue) -> Path:
    """The file beside the index ``path`` that is said to have the tensor ``name``; InputError for one elsewhere."""
    if isinstance(file, str) and file not in ("", ".", "..") and not set(file) & set("/\\:\0"):
        return path.with_name(file)
    shown = printable(str(file)[:200])
    raise UnreadableFileError(
        path,
        f"{printable(name)[:200]} would be in {shown!r}, which is no plain name of a file beside the index",
    )
