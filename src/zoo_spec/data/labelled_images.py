"""What all sources of labelled images say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import LabelledImage, Record
from zoo_spec.data.source import SourceData


class LabelledImageData(SourceData):
    """Base of the specs of data that are sources of labelled images."""

    gives: ClassVar[type[Record] | None] = LabelledImage
