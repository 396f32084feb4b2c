"""The labels of words: their names in the order of ids, given, or those that the training records have."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue, TypeAdapter

from zoo_common.data.entities import OUTSIDE, is_of_entities, split_label
from zoo_common.data.label_names import Names, in_order, some
from zoo_spec.data.records import LabelledWords, Record
from zoo_spec.errors import InputError

_MOST = 10_000
"""Names of labels beyond the model's that are counted; who has more has named the wrong column."""


class WordLabels:
    """Names of labels and their ids; labels of entities of another type than the chosen ones are ``O``."""

    def __init__(self, classes: int, names: Names | None, *, types: Names | None = None) -> None:
        self.names, self._types, self._classes = names, types, classes
        self._met: set[str] = set()
        self._ids: dict[str, int] = {}
        if names is not None:
            self._number(names)

    @property
    def settled(self) -> bool:
        """Whether it is known what there may be."""
        return self.names is not None

    name = "labels"

    def about(self) -> JsonValue:
        """Nothing but the data decides."""
        return None

    def learned(self) -> JsonValue:
        """The names that were met."""
        return [*sorted(self._met)]

    def recall(self, learned: JsonValue) -> bool:
        """The names are known, or all that were met are among those that are."""
        met = set(TypeAdapter(list[str]).validate_python(learned))
        if self.names is not None and not met <= self._ids.keys():
            return False
        self._met = met
        return True

    def look(self, record: Record) -> None:
        """Meet a record; raises InputError, naming its place, for labels that are none of the known names."""
        assert isinstance(record, LabelledWords)
        if len(record.words) != len(record.labels):
            raise InputError(
                f"{record.where}: has {len(record.words)} words and {len(record.labels)} labels; give each word one"
            )
        if not record.words:
            raise InputError(f"{record.where}: has no words; leave it out")
        for name in map(self.kept, dict.fromkeys(record.labels)):
            if name in self._met:
                continue
            if self.names is not None:
                self.id(name, record.where)
                self._met.add(name)
            else:
                self._met.add(name)
                if len(self._met) > self._classes + _MOST:
                    raise InputError(
                        f"{record.where}: there are more than {self._classes + _MOST:,} different labels so far, and "
                        f"task.classes is {self._classes}; name the column of the labels"
                    )

    def settle(self, source: str) -> None:
        """All training records have been met; InputError if their labels are not as many as classes."""
        if self.names is not None:
            return
        names = ordered(self._met)
        for kind in self._types or ():
            if f"B-{kind}" not in names:
                raise InputError(
                    f"{source}: no entity has the type {kind!r} of data.types; there are {some(names)}"
                )
        if len(names) != self._classes:
            raise InputError(
                f"{source}: has {len(names)} different labels, {some(names)}, and task.classes is {self._classes}; "
                f"set task.classes to {len(names)}, or name all labels in data.labels if some do not occur there"
            )
        self._number(names)

    def kept(self, name: str) -> str:
        """The label, or ``O`` in the place of one of a type that is not learned."""
        part, kind = split_label(name)
        return OUTSIDE if part and self._types is not None and kind not in self._types else name

    def id(self, name: str, where: str) -> int:
        """The id of a label; InputError for one without."""
        found = self._ids.get(name)
        if found is None:
            raise InputError(
                f"{where}: the label {name!r} is none of the run's {len(self._ids)}: {some([*self._ids])}"
            )
        return found

    def id_within(self, name: str, where: str) -> int:
        """The id of the label of a word's other pieces: they go on with what the first one begins."""
        letter, dash, kind = name.partition("-")
        return (
            self._ids.get(f"I{dash}{kind}", self.id(name, where)) if letter == "B" else self.id(name, where)
        )

    def _number(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        if len(set(names)) < len(names):
            raise InputError(
                f"the run's labels, {some(names)}, have a name twice; name each once in data.labels"
            )
        self._ids = {name: index for index, name in enumerate(names)}


def ordered(names: set[str]) -> Names:
    """``O``, then the beginning and the going on of each type, sorted by type; what stands for itself is sorted."""
    if not is_of_entities(names):
        rest = in_order(names - {OUTSIDE})
        return (OUTSIDE, *rest) if OUTSIDE in names else rest
    kinds = sorted({name.partition("-")[1:] for name in names if split_label(name)[0]})
    return (OUTSIDE, *(f"{part}{''.join(kind)}" for kind in kinds for part in "BI"))
