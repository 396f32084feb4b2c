"""fairseq's lists of sounds, and the transcripts and hidden units that stand line by line beside them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.data.base import FilePath
from zoo_spec.data.utterances import UtteranceData

Suffix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class AudioManifest(UtteranceData):
    """``NAME.tsv``, a folder and then a sound with its number of samples on each line, and ``NAME.ltr``, ``NAME.km``.

    Line ``k`` of what stands beside it belongs to the ``k``-th sound. A sound is FLAC or WAV, or a part of a zip file
    that holds it as it is, ``file.zip:offset:length``.
    """

    kind: Literal["audio_manifest"] = "audio_manifest"
    manifest: FilePath
    """The list of what to train on, such as ``train.tsv``."""
    evaluation_manifest: FilePath | None = None
    """That of what to evaluate on; then nothing of ``manifest`` is held out."""
    root: FilePath | None = None
    """The folder that the sounds' paths begin at, in the place of the one in the first line, which is mostly the
    author's own."""
    label_directory: FilePath | None = None
    """Where transcripts and units lie; beside each list if left out."""
    transcripts: Literal["ltr", "wrd"] | None = None
    """What has the transcripts: ``ltr``, letters with spaces between them and ``|`` for a space; ``wrd``, words."""
    units: Suffix | None = None
    """The ending of the files of hidden units, such as ``km``: numbers of clusters on each line."""
    unit_rate: PositiveInt = 50
    """Units a second: 100 for clusters of MFCC, 50 for those of a HuBERT's features."""
    unit_dictionary: FilePath | None = None
    """fairseq's ``dict.km.txt``: the id of a unit is then its line there, behind four special symbols, so that the
    first is 4. Without it a unit's id is its number."""

    @property
    def has_evaluation(self) -> bool:
        """Where ``evaluation_manifest`` is named."""
        return self.evaluation_manifest is not None

    @model_validator(mode="after")
    def _units_beside_it(self) -> Self:
        if self.unit_dictionary is not None and self.units is None:
            raise ValueError(f"unit_dictionary {self.unit_dictionary!r} is of units, and none are named")
        return self
