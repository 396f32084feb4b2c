"""Weights as Keras 2 wrote them to HDF5, and so ``transformers`` its ``tf_model.h5``.

The root's attribute ``layer_names`` lists groups, and ``weight_names`` of each lists arrays by their path in it; a
list that is too long for one attribute is in ``layer_names0``, ``layer_names1`` and so on (Keras 2: hdf5_format.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from zoo_common.containers.base import Container
from zoo_common.containers.few_open import closed_if_it_fails
from zoo_common.containers.hdf5_file import Hdf5File, root_texts
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import printable

_LAYERS, _WEIGHTS = "layer_names", "weight_names"
_SHOWN = 5


class LegacyH5(Container):
    """The weights that the lists name, by the names there: ``tf_bert_model/bert/pooler/dense/kernel:0``.

    Raises InputError where a list names what is not there, an array is in no list, or two have one name.
    """

    format: ClassVar[str] = "h5"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = Hdf5File(path)
        with closed_if_it_fails(self._file):
            self._paths = self._listed()
        self.entries = {name: _entry(self._file.arrays[place]) for name, place in self._paths.items()}

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether it is HDF5, and its root lists layers."""
        texts = root_texts(path)
        return _LAYERS in texts or f"{_LAYERS}0" in texts

    def read(self, name: str) -> Array:
        """One weight."""
        return self._file.read(self._paths[name])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _listed(self) -> dict[str, str]:
        paths: dict[str, str] = {}
        for layer in self._list("", _LAYERS):
            if layer not in self._file.groups:
                raise self.damage(f"lists a layer {printable(layer)[:200]} that is not there")
            for name in self._list(layer, _WEIGHTS):
                if name in paths:
                    raise self.damage(f"has two weights of the name {printable(name)[:200]}")
                paths[name] = f"{layer}/{name}"
        missing = [name for name, place in paths.items() if place not in self._file.arrays]
        if missing:
            raise self.damage(f"lists weights that are not there: {_shown(missing)}")
        unlisted = sorted(set(self._file.arrays) - set(paths.values()))
        if unlisted:
            raise self.damage(f"has arrays that its lists do not name: {_shown(unlisted)}")
        return paths

    def _list(self, group: str, attribute: str) -> list[str]:
        whole = self._file.texts(group, attribute)
        found, index = whole or [], 0
        while whole is None and (part := self._file.texts(group, f"{attribute}{index}")) is not None:
            found += part
            index += 1
        return found


def _entry(entry: Entry) -> Entry:
    return Entry(entry.dtype, entry.shape)


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(printable(name)[:200] for name in names[:_SHOWN]) + more
