"""What all sources of images with masks say, however they are written."""

from __future__ import annotations

from typing import ClassVar

from zoo_spec.base import PositiveInt
from zoo_spec.data.class_names import ClassNames
from zoo_spec.data.pictures import PictureData
from zoo_spec.data.records import MaskedImage, Record


class MaskedImageData(PictureData):
    """Base of the specs of data that are sources of images with masks."""

    gives: ClassVar[type[Record] | None] = MaskedImage
    stride: PositiveInt | None = None
    """Images are cut into tiles of the model's size, in training one every so many pixels, in evaluation side by
    side; the last ones are moved back to the edge, and each pixel counts once. Null: each image is resized, its mask
    to the nearest pixel, or cut out of its middle (``shorter_side``)."""
    labels: ClassNames | None = None
    """The classes' names in the order of their ids, the background's first; kept in the run directory."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the classes are called: ``labels``, or what the format says by itself."""
        return self.labels
