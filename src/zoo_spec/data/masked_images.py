"""What all sources of images with masks say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.records import MaskedImage, Record
from zoo_spec.data.source import SourceData


class MaskedImageData(SourceData):
    """Base of the specs of data that are sources of images with masks."""

    gives: ClassVar[type[Record] | None] = MaskedImage
