"""What all sources of utterances say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import Record, Utterance
from zoo_spec.data.source import SourceData


class UtteranceData(SourceData):
    """Base of the specs of data that are sources of utterances."""

    gives: ClassVar[type[Record] | None] = Utterance
