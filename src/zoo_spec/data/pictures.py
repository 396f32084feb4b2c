"""What all sources of images say: how these become what a model is fed, and what is drawn for each in training."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue

from zoo_spec.base import Float, NonNegativeInt, PositiveFloat, PositiveInt, Spec
from zoo_spec.data.limits import ImageLimits
from zoo_spec.data.source import SourceData


def _listed(value: object) -> object:
    """YAML has lists and no tuples."""
    return tuple(value) if isinstance(value, list) else value


Mean = Annotated[Float | Annotated[tuple[Float, ...], Field(min_length=1)], BeforeValidator(_listed)]
Deviation = Annotated[
    PositiveFloat | Annotated[tuple[PositiveFloat, ...], Field(min_length=1)], BeforeValidator(_listed)
]


class Augmentation(Spec):
    """What is drawn for each image of each epoch of training, by (seed, epoch, example); evaluation draws nothing.

    In this order; masks are cut and turned with their images, and what was not in the image does not count in a loss.
    """

    crop_padding: NonNegativeInt | None = None
    """Pixels of black that are put around the image before a window of the model's size is cut out anywhere; null:
    the window is in the middle."""
    rotation: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Most degrees, either way, by which the window is turned around its middle; its corners are black then."""
    flip_left_right: bool = False
    """Whether half of the images are mirrored, left to right."""
    flip_up_down: bool = False
    """Whether half of the images are mirrored, top to bottom."""
    quarter_turns: bool = False
    """Whether images are turned by 0, 90, 180 or 270 degrees; the model's height and width are the same then."""


class PictureData(SourceData):
    """Base of the specs of data whose records have an image.

    Pixels are brought to the model's size and channels, scaled to [0, 1], and ``(pixel - mean) / std`` is fed.
    """

    shorter_side: PositiveInt | None = None
    """The shorter side is resized to so many pixels, the longer one with it, and the middle of the model's size is
    cut out (256 for 224: ImageNet's usual evaluation). Null: the image is resized to the model's height and width."""
    augmentation: Augmentation | None = None
    """What is drawn for each image in training; null for nothing."""
    mean: Mean = 0.0
    """Subtracted from the pixels, which are in [0, 1]; a number, or a list of one for each channel."""
    std: Deviation = 1.0
    """What the difference is divided by; a number, or a list of one for each channel."""
    limits: ImageLimits = ImageLimits()
    """The most that is read of a file; they change nothing that is learned, and may change while a run rests."""

    def preprocessing(self) -> dict[str, JsonValue]:
        """Pixels are scaled to ``highest``, then ``(pixel - mean) / std``."""
        found: dict[str, JsonValue] = {"highest": 1.0}
        for name, value in (("mean", self.mean), ("std", self.std)):
            found[name] = [*value] if isinstance(value, tuple) else value
        if self.shorter_side is not None:
            found["shorter_side"] = self.shorter_side
        return found
