"""The most that is read of a user's files: what is longer is refused before it takes all memory, or an hour."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from zoo_spec.base import PositiveInt, Spec


class ReadLimits(Spec):
    """Bounds by name; whoever meets one says how it is raised by ``remedy``."""

    place: ClassVar[str] = "data.limits"

    file_bytes: PositiveInt = 4_000_000_000
    """Bytes of a file as it lies on the disk."""

    def remedy(self, name: str) -> str:
        """How the bound of this name is raised, in a spec and where a trained model is asked."""
        return f"raise {self.place}.{name} (zoo predict: --limit {name}=NUMBER) if it is meant to be so long"


class TextLimits(ReadLimits):
    """Of text and vocabularies."""

    line_bytes: PositiveInt = 1 << 20
    """Bytes of a line of text: one without line ends may be all of a machine's memory."""
    vocabulary_tokens: PositiveInt = 500_000
    """Tokens of a vocabulary; its files have a hundred bytes for each at most."""


class ImageLimits(ReadLimits):
    """Of pictures and arrays."""

    unpacked_bytes: PositiveInt = 256_000_000
    """Bytes of a picture's file, and of what a gzip file unpacks to: two million may be two thousand million."""
    picture_pixels: Annotated[int, Field(gt=0, le=178_956_970)] = 40_000_000
    """Height times width of a picture, at most as many as Pillow reads: half a megabyte may be 178 million pixels."""
