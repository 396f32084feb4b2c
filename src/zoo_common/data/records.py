"""Sources of records: opened by a spec's data, for each kind registered on its class, ``@open_records.register``.

A plugin does so with its own. What examples are made of the records is the task's business
(``zoo_common.data.examples``), which knows the kinds of record and no source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Protocol

from zoo_common.data.base import DataDescription, Split
from zoo_common.data.reader import unread
from zoo_spec.data import Data
from zoo_spec.data.records import Record

Look = Callable[[Record], None]
"""Is shown a record; raises InputError for what it cannot be."""


class Records(Protocol):
    """Records by number, from any thread; nothing but where each one stands is held."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Record:
        """One of them, read now; raises InputError if it cannot be any more."""

    def description(self) -> DataDescription:
        """What they are read from; of samples and their size it says nothing."""


@singledispatch
def open_records(data: Data, split: Split, look: Look) -> Records:
    """The records of one part of the data, all of which have been read once.

    ``look`` is shown every record of the files that the part is of, held out or not, in their order. Raises
    InputError, naming the place, for files that are missing, damaged or of another form; EnvironmentFault for a kind
    that nobody has registered.
    """
    raise unread(data)
