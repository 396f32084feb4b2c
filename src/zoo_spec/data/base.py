"""The base of every spec of data, and the paths in one.

Every path in a spec is relative to the working directory of the command that reads it, as in a shell.
Nothing here opens a file: ``zoo_common.data`` does.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, JsonValue

from zoo_spec.data.batching import Batching, Padded
from zoo_spec.data.records import Record
from zoo_spec.registry import Registered


class Data(Registered):
    """Base of the specs of data."""

    role: ClassVar[str] = "data"
    shipped_in: ClassVar[str] = "zoo_spec.data"
    drawn: ClassVar[str] = ""
    """What of it is drawn at random and not read, in words; nothing where all is read."""
    gives: ClassVar[type[Record] | None] = None
    """The kind of record that it is a source of; None for data that make a model's inputs by themselves."""
    size: ClassVar[tuple[str, str] | None] = None
    """The dimension in which its examples differ, and the field that says how long it is at most; None for data whose
    examples are all of one size, so that there is nothing to gain by another batching."""
    batching: Batching = Padded()
    """How examples are put together in training: ``padded``, ``bucketed`` or ``packed``."""

    @property
    def is_of_records(self) -> bool:
        """Whether examples are made of records, so that metrics may ask these."""
        return self.gives is not None

    @property
    def asked(self) -> Data:
        """The data that says how a user's own input is read."""
        return self

    @property
    def trained_on(self) -> Data:
        """The data as training examples are made of it: where ``batching`` cuts them, no longer than that."""
        most = self.batching.longest
        return self if most is None or not self.batching.cuts else self.within(most)

    def within(self, most: int) -> Data:
        """The same data, whose examples are cut to this size where they are longer."""
        if self.size is None or getattr(self, self.size[1]) <= most:
            return self
        return self.model_copy(update={self.size[1]: most})

    def preprocessing(self) -> dict[str, JsonValue]:
        """What is done to a user's own input before it is fed, as an export's signature says it; nothing here."""
        return {}


def as_tuple(value: object) -> object:
    """YAML has lists and no tuples, and one file, or column, may stand alone."""
    if isinstance(value, str | int):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


FilePath = Annotated[str, Field(min_length=1)]
"""A path relative to the working directory; ``~`` is not expanded."""
FilePaths = Annotated[tuple[FilePath, ...], BeforeValidator(as_tuple), Field(min_length=1)]
"""One path or several."""
