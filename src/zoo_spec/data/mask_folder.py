"""Images and their masks in two folders, by the same names."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zoo_spec.data.base import FilePath
from zoo_spec.data.masked_images import MaskedImageData

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


def _colour(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Value = Annotated[Byte | Colour, BeforeValidator(_colour)]
"""What a mask's pixel has: a number of grey or of a palette, or red, green and blue."""


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class MaskFolder(MaskedImageData):
    """Images in a folder and masks in another, each of its image's size and by its name, whatever the endings."""

    kind: Literal["mask_folder"] = "mask_folder"
    images: FilePath
    """The folder of the images; they may lie in folders below it, as the masks then do."""
    masks: FilePath
    """The folder of their masks."""
    mask_suffix: str = ""
    """What a mask's name has behind its image's, before the ending: ``_mask``."""
    values: Annotated[tuple[Value, ...], Field(min_length=2), BeforeValidator(_listed)] | None = None
    """What pixels of masks have, in the order of the classes' ids: numbers of grey or a palette (``[0, 255]``), or
    colours (``[[0, 0, 0], [128, 0, 0]]``). Null: the numbers are the ids."""
    void: Value | None = None
    """What a pixel has that does not count, as 255 on the borders of Pascal VOC's objects; null: all count."""
    evaluation_images: FilePath | None = None
    """The images to evaluate on; then nothing of ``images`` is held out."""
    evaluation_masks: FilePath | None = None
    """Their masks."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_images`` are named."""
        return self.evaluation_images is not None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.evaluation_images is None) != (self.evaluation_masks is None):
            raise ValueError("evaluation_images and evaluation_masks are given together or not at all")
        every = [*(self.values or ()), *(() if self.void is None else (self.void,))]
        twice = next((value for value in every if every.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"values and void have {twice!r} twice; name each once")
        if self.values and len({isinstance(value, int) for value in every}) > 1:
            raise ValueError("values and void have numbers and colours; give one kind of them")
        if self.values is None and self.void is not None and not isinstance(self.void, int):
            raise ValueError("void is a colour, and the masks' numbers are ids; name the colours in values")
        return self
