"""What a task makes of the label that people gave a text: an id, an id for each of several, or a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from pydantic import JsonValue, TypeAdapter

from zoo_common.data.base import Array
from zoo_common.data.label_names import Names, in_order, some
from zoo_spec.data.records import LabelledText, Record
from zoo_spec.errors import InputError

_MOST = 10_000
"""Names of labels beyond the model's that are counted; who has more has named the wrong column."""


class Labels(Protocol):
    """The labels of a data set."""

    names: Names | None
    """What the ids are called; None for what has no names, or none yet."""

    @property
    def name(self) -> str:
        """As of any ``Learner``, which labels are."""

    def about(self) -> JsonValue:
        """As of any ``Learner``."""

    def learned(self) -> JsonValue:
        """As of any ``Learner``."""

    def recall(self, learned: JsonValue) -> bool:
        """As of any ``Learner``."""

    @property
    def settled(self) -> bool:
        """Whether it is known what there may be."""

    def look(self, record: Record) -> None:
        """Meet a record of the training files; raises InputError, naming its place, for a label that is none."""

    def settle(self, source: str) -> None:
        """All training records of ``source`` have been met; InputError if their labels are not as many as classes."""

    def of(self, record: LabelledText) -> Array:
        """The label as a model takes it; InputError for one without a name."""


class NamedLabels:
    """Labels with names, which are given, or those that the training records have.

    The latter have the order of the names ``before``, those of the run whose head this one begins with, if all are
    among them: its rows are theirs.
    """

    def __init__(self, classes: int, names: Names | None, before: Names | None = None) -> None:
        self.names = names
        self._before = before
        self._classes = classes
        self._met: set[str] = set()
        self._ids = dict(zip(names or (), range(classes), strict=False))
        if names is not None and len(set(names)) < len(names):
            raise InputError(
                f"the run's labels, {some(names)}, have a name twice; name each once in data.labels"
            )

    @property
    def settled(self) -> bool:
        """Whether the names are known."""
        return self.names is not None

    name = "labels"

    def about(self) -> JsonValue:
        """What of a record is taken as its labels."""
        return type(self).__name__

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
        """A name is one of those that are known, or a new one where none are."""
        assert isinstance(record, LabelledText)
        for name in self._said(record):
            if name in self._met:
                continue
            if self.names is not None:
                self._id(name, record)
                self._met.add(name)
            else:
                self._met.add(name)
                if len(self._met) > self._classes + _MOST:
                    raise InputError(
                        f"{record.where}: there are more than {self._classes + _MOST:,} different labels so far, and "
                        f"task.classes is {self._classes}; name the column of the label in data.label"
                    )

    def settle(self, source: str) -> None:
        """There are as many names as classes."""
        names = self.names or in_order(self._met)
        if self.names is None and self._before is not None and self._met <= set(self._before):
            names = self._before
        if len(names) != self._classes:
            raise InputError(
                f"{source}: has {len(names)} different labels, {some(names)}, and task.classes is {self._classes}; "
                f"set task.classes to {len(names)}, or name all labels in data.labels if some do not occur there"
            )
        self.names, self._ids = names, {name: index for index, name in enumerate(names)}

    def _said(self, record: LabelledText) -> Sequence[str]:
        raise TypeError(f"{type(self).__name__} does not say what of a record it takes")

    def _id(self, name: str, record: LabelledText) -> int:
        found = self._ids.get(name)
        if found is None:
            raise InputError(
                f"{record.where}: the label {name!r} is none of the run's {len(self._ids)}: {some([*self._ids])}"
            )
        return found


class OneLabel(NamedLabels):
    """One of several classes: its id, int32."""

    def of(self, record: LabelledText) -> Array:
        """A scalar."""
        return np.asarray(self._id(self._said(record)[0], record), np.int32)

    def _said(self, record: LabelledText) -> Sequence[str]:
        if record.label is None:
            raise InputError(
                f"{record.where}: the label is a list, and one is expected; set task.kind to "
                "sequence_multi_label_classification to learn several"
            )
        if not record.label:
            raise InputError(f"{record.where}: the label is empty; fill it in, or leave the line out")
        return (record.label,)


class SeveralLabels(NamedLabels):
    """Any number of labels: 1 for each that a text has, ``[classes]`` int32."""

    def of(self, record: LabelledText) -> Array:
        """``[classes]``."""
        found = np.zeros(self._classes, np.int32)
        found[[self._id(name, record) for name in self._said(record)]] = 1
        return found

    def _said(self, record: LabelledText) -> Sequence[str]:
        return record.labels


class Number:
    """A number, float32."""

    name = "numbers"
    names: Names | None = None
    settled = True

    def about(self) -> JsonValue:
        """Nothing but the task decides."""
        return None

    def learned(self) -> JsonValue:
        """Nothing."""
        return None

    def recall(self, learned: JsonValue) -> bool:
        """There is nothing to know."""
        return True

    def look(self, record: Record) -> None:
        """It is a number that float32 has."""
        assert isinstance(record, LabelledText)
        self.of(record)

    def settle(self, source: str) -> None:
        """Numbers have no names."""

    def of(self, record: LabelledText) -> Array:
        """A scalar; InputError for what is no finite number."""
        text = "" if record.label is None else record.label
        try:
            number = math.nan if "_" in text else float(text)
        except ValueError:
            raise InputError(
                f"{record.where}: the label {text!r} is no number; give one, such as 2.5"
            ) from None
        if not abs(number) <= float(np.finfo(np.float32).max):
            raise InputError(f"{record.where}: the label {text!r} is no finite number of float32; give one")
        return np.asarray(number, np.float32)
