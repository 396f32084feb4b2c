"""What all sources of labelled images say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.data.class_names import ClassNames
from zoo_spec.data.pictures import PictureData
from zoo_spec.data.records import LabelledImage, Record


class LabelledImageData(PictureData):
    """Base of the specs of data that are sources of labelled images."""

    gives: ClassVar[type[Record] | None] = LabelledImage
    labels: ClassNames | None = None
    """The labels' names in the order of their ids. Without them the names of the training images are taken, sorted by
    their bytes; either is kept in the run directory. Labels that are ids by themselves need no names."""
