"""What all sources of texts with their summaries say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import Record, SummarizedText
from zoo_spec.data.target_text import TargetTextData


class SummaryData(TargetTextData):
    """Base of the specs of data that are sources of texts with their summaries."""

    gives: ClassVar[type[Record] | None] = SummarizedText
