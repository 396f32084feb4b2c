"""The kinds of records that a source of data gives and a task learns from; neither knows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

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


@dataclass(frozen=True)
class LabelledImage(Record):
    """Pixels ``[height, width, channels]``, of which a full one is ``highest``, and what they show."""

    what: ClassVar[str] = "labelled images"
    pixels: NDArray[np.uint8]
    label: str
    highest: int = 255


@dataclass(frozen=True)
class MaskedImage(Record):
    """Pixels ``[height, width, channels]``, of which a full one is ``highest``, and each one's class, a ``mask``.

    ``mask [height, width]`` has ids from 0, the background.
    """

    what: ClassVar[str] = "images with masks"
    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    highest: int = 255


@dataclass(frozen=True)
class Utterance(Record):
    """Speech: ``samples [samples]`` in [-1, 1], ``rate`` of them a second.

    ``transcript`` is what is said, ``units`` the hidden unit of each of its frames; None where nobody has said.
    """

    what: ClassVar[str] = "utterances"
    samples: NDArray[np.float32]
    rate: int
    transcript: str | None = None
    units: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Features(Record):
    """What somebody has made of a thing for a model already: arrays by name, as they lie in a file."""

    what: ClassVar[str] = "prepared features"
    values: Mapping[str, NDArray[np.generic]]
