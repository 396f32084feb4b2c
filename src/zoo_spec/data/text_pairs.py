"""What all sources of texts with the texts that are to be made of them say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import Record, TextPair
from zoo_spec.data.target_text import TargetTextData


class TextPairData(TargetTextData):
    """Base of the specs of data that are sources of texts with the texts that are to be made of them."""

    gives: ClassVar[type[Record] | None] = TextPair
