"""LibriSpeech (Panayotov et al., 2015) as it is unpacked, and whatever has its layout."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from zoo_spec.data.base import FilePath, as_tuple
from zoo_spec.data.utterances import UtteranceData

Subsets = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(as_tuple), Field(min_length=1)
]


class LibriSpeech(UtteranceData):
    """Read speech: ``SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac``, transcripts beside them.

    Those are in ``SPEAKER-CHAPTER.trans.txt``, a line of name and text for each sound. WAV files stand in for FLAC
    where they have the same names.
    """

    kind: Literal["librispeech"] = "librispeech"
    directory: FilePath
    """The folder with the subsets in it: ``LibriSpeech``, or the one that it was unpacked in."""
    subsets: Subsets = ("train-clean-100",)
    """The subsets to train on, such as ``train-clean-100``, ``train-clean-360`` and ``train-other-500``."""
    evaluation_subsets: Subsets | None = None
    """Those to evaluate on, such as ``dev-clean``; then nothing of ``subsets`` is held out."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_subsets`` are named."""
        return self.evaluation_subsets is not None
