"""The most that is read of a user's files: what is longer is refused before it takes all memory, or an hour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, ValidationError

from zoo_spec.base import PositiveInt, Spec
from zoo_spec.data.base import Data
from zoo_spec.errors import InputError
from zoo_spec.values import shorten


class ReadLimits(Spec):
    """Bounds by name; whoever meets one says how it is raised by ``remedy``."""

    place: ClassVar[str] = "data.limits"

    file_bytes: PositiveInt = 4_000_000_000
    """Bytes of a file as it lies on the disk."""
    unpacked_bytes: PositiveInt = 16_000_000_000
    """Bytes that a packed file (gzip, Zstandard, xz, bzip2) unpacks to; a few thousand may be as many millions."""

    def remedy(self, name: str) -> str:
        """How the bound of this name is raised, in a spec and where a trained model is asked."""
        return f"raise {self.place}.{name} (zoo predict: --limit {name}=NUMBER) if it is meant to be so long"


class TextLimits(ReadLimits):
    """Of text and vocabularies."""

    file_bytes: PositiveInt = 1_000_000_000_000
    """Bytes of a file as it lies on the disk, of which no more than a part is ever in memory."""

    line_bytes: PositiveInt = 1 << 20
    """Bytes of a line of text: one without line ends may be all of a machine's memory."""
    document_bytes: PositiveInt = 1 << 30
    """Bytes of what is read as a whole before its parts are known: a JSON document, a story, a table of images."""
    vocabulary_tokens: PositiveInt = 500_000
    """Tokens of a vocabulary; its files have a hundred bytes for each at most."""


class ImageLimits(ReadLimits):
    """Of pictures and arrays."""

    unpacked_bytes: PositiveInt = 256_000_000
    """Bytes of a picture's file, and of what a gzip file unpacks to: two million may be two thousand million."""
    picture_pixels: Annotated[int, Field(gt=0, le=178_956_970)] = 40_000_000
    """Height times width of a picture, at most as many as Pillow reads: half a megabyte may be 178 million pixels."""


class RecordLimits(ReadLimits):
    """Of files of prepared examples."""

    file_bytes: PositiveInt = 1_000_000_000_000
    """Bytes of a file as it lies on the disk, of which no more than a part is ever in memory."""

    record_bytes: PositiveInt = 64_000_000
    """Bytes of one record, which is held in memory."""


class SoundLimits(TextLimits):
    """Of sounds, and of the lists and transcripts beside them."""

    sound_samples: PositiveInt = 100_000_000
    """Samples of one sound, as its header has them; 1.7 hours at 16 kHz."""


def limits_of(data: Data) -> ReadLimits | None:
    """The bounds of what data of this kind reads; None where it has none."""
    limits = getattr(data, "limits", None)
    return limits if isinstance(limits, ReadLimits) else None


def with_limits(data: Data, given: Sequence[str]) -> Data:
    """The data with bounds changed as ``name=number`` says each; raises InputError for what is no bound of it."""
    if not given:
        return data
    limits = limits_of(data)
    if limits is None:
        raise InputError(f"data of kind {data.kind!r} reads no files; leave out --limit")
    known = type(limits).model_fields
    values = limits.model_dump()
    for each in given:
        name, _, number = each.partition("=")
        if name not in known or not re.fullmatch("[1-9][0-9]{0,17}", number):
            raise InputError(
                f"--limit {shorten(each)}: give NAME=NUMBER, of {', '.join(f'{one}={values[one]}' for one in known)}"
            )
        values[name] = int(number)
    try:
        changed = type(limits).model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(
            f"--limit {'.'.join(map(str, wrong['loc']))}={wrong['input']}: {wrong['msg']}"
        ) from None
    return data.model_copy(update={"limits": changed})
