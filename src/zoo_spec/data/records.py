"""The kinds of records that a source of data gives and a task learns from; neither knows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """One thing of a source's; ``where`` is its file and line, or number, for whoever has to complain of it."""

    what: ClassVar[str] = "records"
    """What messages call several of them."""
    where: str


@dataclass(frozen=True)
class RunningText(Record):
    """A document; its sentences are found by whoever reads it."""

    what: ClassVar[str] = "running text"
    text: str


@dataclass(frozen=True)
class LabelledText(Record):
    """One text, or two that belong together, and what people said of it.

    ``label`` is that as it stands there, None where it is a list; ``labels`` are its parts, if it has several.
    """

    what: ClassVar[str] = "labelled text"
    texts: tuple[str, ...]
    label: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelledWords(Record):
    """The words of a sentence, each with its label."""

    what: ClassVar[str] = "labelled words"
    words: tuple[str, ...]
    labels: tuple[str, ...]


class Answer(NamedTuple):
    """An answer as it stands in a text, from the character ``start`` on."""

    text: str
    start: int


@dataclass(frozen=True)
class Question(Record):
    """A question, the text that is asked, and its answers in that text; none where it has none."""

    what: ClassVar[str] = "questions"
    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class SummarizedText(Record):
    """The sentences of a document and those of its summary.

    ``chosen`` are the numbers of the document's sentences that make a good summary; None where nobody has said.
    """

    what: ClassVar[str] = "texts with summaries"
    document: tuple[str, ...]
    summary: tuple[str, ...]
    chosen: tuple[int, ...] | None = None


@dataclass(frozen=True)
class TextPair(Record):
    """A text, and the text that is to be made of it: its translation, its answer."""

    what: ClassVar[str] = "texts with the texts that they become"
    source: str
    target: str


Window = tuple[int, int, int, int]
"""Top, left, height and width of a part of an image, in pixels."""


class Picture(Protocol):
    """An image whose pixels are read when they are asked for, from any thread."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; raises InputError where they cannot be read."""

    def check(self, channels: int) -> None:
        """Raise InputError for what is no image, or of other channels, as far as a header says."""

    def pixels(self, channels: int, window: Window | None = None) -> NDArray[np.uint8]:
        """``[height, width, channels]`` of all or of a part; raises InputError, naming the file, for damaged ones."""


class Mask(Protocol):
    """The class of each pixel of an image, read when it is asked for, from any thread."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; raises InputError where they cannot be read."""

    def ids(self, window: Window | None = None) -> NDArray[np.uint8]:
        """``[height, width]`` from 0, the background; ``VOID`` where a pixel does not count."""


VOID = 255
"""In a mask: a pixel of which nobody says what it is."""


@dataclass(frozen=True)
class LabelledImage(Record):
    """An image, of which a full pixel is ``highest``, and what it shows: a name, or an id by itself."""

    what: ClassVar[str] = "labelled images"
    image: Picture
    label: str | int
    highest: int = 255


@dataclass(frozen=True)
class MaskedImage(Record):
    """An image, of which a full pixel is ``highest``, and the class of each of its pixels."""

    what: ClassVar[str] = "images with masks"
    image: Picture
    mask: Mask
    highest: int = 255


class Sound(Protocol):
    """What is heard: its length is known at once, its samples are read when they are asked for, by any part."""

    @property
    def rate(self) -> int:
        """Samples a second."""

    @property
    def length(self) -> int:
        """Samples."""

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Samples ``start`` to ``stop - 1``, in [-1, 1]; raises InputError, naming the file, for damaged ones."""


@dataclass(frozen=True)
class Samples:
    """A sound that is held in memory: ``samples [samples]``."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def length(self) -> int:
        """How many there are."""
        return len(self.samples)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """A part of them."""
        return self.samples[start:stop]


@dataclass(frozen=True)
class Utterance(Record):
    """Speech.

    ``transcript`` is what is said; ``units`` are the hidden units that are heard one after another, ``unit_rate`` of
    them a second. None where nobody has said.
    """

    what: ClassVar[str] = "utterances"
    sound: Sound
    transcript: str | None = None
    units: NDArray[np.int32] | None = None
    unit_rate: int = 50


@dataclass(frozen=True)
class Features(Record):
    """What somebody has made of a thing for a model already: arrays by name, as they lie in a file."""

    what: ClassVar[str] = "prepared features"
    values: Mapping[str, NDArray[np.generic]]
