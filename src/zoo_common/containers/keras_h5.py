"""Weights as Keras 3 writes them: ``*.weights.h5``, or ``*.weights.json`` and several such files.

An array is ``PATH/vars/K``: the path of a layer by Python's attributes, and the order in which the layer made its
variables (keras: src/saving/saving_lib.py). KerasHub's presets have such files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from zoo_common.containers.base import Container, first_bytes
from zoo_common.containers.few_open import FewOpen, closed_if_it_fails
from zoo_common.containers.hdf5_file import Hdf5File, is_hdf5, natural
from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.containers.sharded import sibling
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import printable

_VARS = "/vars"
_SNIFFED = 65_536


class KerasH5(Container):
    """The arrays by path, in natural order: ``layers/transformer_encoder_10/...`` after ``_9``.

    ``layer_names`` are what the layers call themselves, by the path of their ``vars``: two of a class differ in their
    path by their order alone. Raises InputError where an index and its files do not agree.
    """

    format: ClassVar[str] = "keras_h5"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._files = FewOpen(Hdf5File)
        self._places: dict[str, Path] = {}
        self.layer_names: dict[str, str] = {}
        found: dict[str, Entry] = {}
        with closed_if_it_fails(self._files):
            index = None if is_hdf5(path) else self._index()
            for file in sorted({each for files in index.values() for each in files} if index else {path}):
                arrays = self._files.get(file).arrays
                if index is not None:
                    self._check(file, arrays, index, found)
                found.update(arrays)
                self._places.update(dict.fromkeys(arrays, file))
                self._take_names(self._files.get(file))
        self.entries = {
            name: Entry(found[name].dtype, found[name].shape) for name in sorted(found, key=natural)
        }
        self.files = (path, *sorted(set(self._places.values()) - {path}))
        """All that it is read from."""
        gone = sorted(set(index or ()) - {name.rpartition("/")[0] for name in found})
        if gone:
            self.close()
            raise self.damage(f"says where {printable(gone[0])[:200]} is, and no file has it")

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether it is HDF5, or a JSON object that soon says where the ``vars`` of layers are."""
        first = first_bytes(path, _SNIFFED)
        return is_hdf5(path) or (
            first.lstrip().startswith(b"{") and b'"weight_map"' in first and b'/vars":' in first
        )

    def read(self, name: str) -> Array:
        """One array."""
        return self._files.get(self._places[name]).read(name)

    def close(self) -> None:
        """Close the files that are open."""
        self._files.close()

    def _index(self) -> dict[str, list[Path]]:
        """The files in which each ``vars`` is."""
        value = read_json_mapping(self.path).get("weight_map")
        if not isinstance(value, dict) or not value:
            raise self.damage('says of no array where it is (its "weight_map" is no mapping or empty)')
        return {
            path.strip("/"): [
                sibling(self.path, path, file) for file in (files if isinstance(files, list) else [files])
            ]
            for path, files in value.items()
        }

    def _check(
        self,
        file: Path,
        arrays: Mapping[str, Entry],
        index: Mapping[str, list[Path]],
        before: Mapping[str, Entry],
    ) -> None:
        for name in arrays:
            if name in before:
                raise self.damage(f"has two files with {printable(name)[:200]}")
            if file not in index.get(name.rpartition("/")[0], ()):
                raise self.damage(
                    f"does not say that {printable(name)[:200]} is in {printable(file.name)}, and it is"
                )

    def _take_names(self, file: Hdf5File) -> None:
        for path in file.groups:
            if path.endswith(_VARS) and (name := file.texts(path, "name")):
                self.layer_names[path] = name[0]
