"""What an image shows, as an id: one by itself, or that of a name among those of the training images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydantic import JsonValue, TypeAdapter

from zoo_common.data.base import Array
from zoo_common.data.label_names import Names, some
from zoo_spec.data.records import LabelledImage
from zoo_spec.errors import InputError


class ImageLabels:
    """The ids of ``classes``; ``names`` are what they are called, None where nobody says.

    Names that no spec and no run gives are those of the training images, sorted by their bytes, unless all of them
    are among the names ``before`` of the run whose head this one begins with.
    """

    def __init__(self, classes: int | None, names: Names | None, before: Names | None = None) -> None:
        """``classes`` None: a model without a bound."""
        self.classes, self._before = classes, before
        self._met: set[str] = set()
        self._names(names)

    @property
    def is_settled(self) -> bool:
        """Whether the names are known; where labels are ids there is nothing to know."""
        return self.names is not None

    def look(self, record: LabelledImage) -> None:
        """Meet a record; raises InputError, naming it, for a label that is none."""
        if isinstance(record.label, int):
            self.of(record)
        elif record.label not in self._met:
            if self.names is not None:
                self.of(record)
            self._met.add(record.label)

    def learned(self) -> list[str]:
        """The names that were met."""
        return sorted(self._met)

    def recall(self, learned: JsonValue) -> bool:
        """The names are known, or all that were met are among those that are."""
        met = set(TypeAdapter(list[str]).validate_python(learned))
        if self.names is not None and not met <= self._ids.keys():
            return False
        self._met = met
        return True

    def settle(self, source: str) -> None:
        """All training records of ``source`` have been met; InputError if they are not of as many classes."""
        names = self.names
        if names is None and self._met:
            names = by_bytes(self._met)
            if self._before is not None and self._met <= set(self._before):
                names = self._before
        if names is not None and self.classes is not None and len(names) != self.classes:
            raise InputError(
                f"{source}: has {len(names)} different labels, {some(names)}, and task.classes is {self.classes}; "
                f"set task.classes to {len(names)}, or name all labels in data.labels if some do not occur there"
            )
        self._names(names)

    def of(self, record: LabelledImage) -> Array:
        """The id, a scalar int32; InputError for a name that is none of them, or an id beyond the classes."""
        if isinstance(record.label, int):
            if self.classes is not None and not 0 <= record.label < self.classes:
                raise InputError(
                    f"{record.where}: label {record.label} is out of range: ids run from 0 to {self.classes - 1}; "
                    f"give the model {record.label + 1} classes"
                )
            return np.asarray(record.label, np.int32)
        found = self._ids.get(record.label)
        if found is None:
            raise InputError(
                f"{record.where}: the label {record.label!r} is none of the run's {len(self._ids)}: "
                f"{some([*self._ids])}"
            )
        return np.asarray(found, np.int32)

    def _names(self, names: Names | None) -> None:
        self.names = names
        self._ids = {name: index for index, name in enumerate(names or ())}


def by_bytes(names: Iterable[str]) -> Names:
    """Names in the order of their UTF-8, which is how ``ImageFolder`` and ImageNet number theirs."""
    return tuple(sorted(names, key=lambda name: name.encode("utf-8", "surrogateescape")))
