"""What all data that is read as records says: what is held out, and what becomes of a record that cannot be read."""

from __future__ import annotations

from typing import Literal

from zoo_spec.base import NonNegativeInt, Rate
from zoo_spec.data.base import Data, FilePath


class SourceData(Data):
    """Base of the specs of data that are sources of records."""

    evaluation_fraction: Rate = 0.1
    """Part of the records that is held out for evaluation, drawn by ``split_seed``; one at least. Nothing is held out
    where the source has records for evaluation of its own."""
    split_seed: NonNegativeInt = 0
    """Decides which records are held out; apart from ``training.seed``, so that runs stay comparable."""
    evaluation: Data | None = None
    """Another source of such records, that is evaluated on: the part that it says is for evaluation, or else all of
    it. Nothing of this one is held out then, and what examples are like is said here."""
    on_bad_record: Literal["fail", "skip"] = "fail"
    """What becomes of a record that cannot be read, or that the task cannot learn from. ``fail``: the first is an
    error. ``skip``: it is left out, counted and logged."""
    bad_records: Rate = 0.01
    """The largest part of the records that ``skip`` leaves out; more are an error."""

    prepared: FilePath | None = None
    """A directory that ``zoo data prepare`` made of this data: nothing is read but that, and the files need not be
    there. One of other data is an error that says what differs."""

    @property
    def has_evaluation(self) -> bool:
        """Whether the source has records for evaluation of its own, so that nothing is held out."""
        return False
