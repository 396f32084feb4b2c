"""What is drawn and not read: inputs of any shape, and shapes to segment."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo_spec.base import PositiveInt
from zoo_spec.data.base import Data


class GeneratedData(Data):
    """Inputs drawn at random in the shapes and ranges of the model's graph: to try a model, not to train."""

    kind: Literal["generated"] = "generated"
    drawn: ClassVar[str] = "inputs and labels drawn at random, to try the model and not to train it"
    samples: PositiveInt = 256
    """Examples in an epoch."""
    sequence_length: PositiveInt = 32
    """Size of open dimensions of sequence length; the default gives way where the model allows less."""
    max_predictions: PositiveInt = 4
    """Size of the open dimension of masked positions; the default gives way where the model allows less."""
    waveform_samples: PositiveInt = 16_000
    """Samples of a waveform; the default gives way where the model allows less."""
    open_size: PositiveInt = 8
    """Size of every other open dimension but the batch."""


class GeneratedShapes(Data):
    """Discs, squares and crosses on noise, and which of them each pixel belongs to: to learn segmentation by.

    Class 0 is the background, 1 discs, 2 squares, 3 crosses, as far as the model has classes.
    """

    kind: Literal["generated_shapes"] = "generated_shapes"
    drawn: ClassVar[str] = "images of shapes on noise, drawn at random with the class of each pixel"
    samples: PositiveInt = 512
    """Images in an epoch; each epoch draws its own."""
    most_shapes: PositiveInt = 3
    """Most shapes in an image; there is one at least, and later ones cover earlier ones."""
    noise: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Largest value, up or down, that is added to each pixel; a shape stands 0.5 to 1 above its ground."""
