"""What all sources of utterances say, however they are written: how speech becomes examples."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo_spec.base import NonNegativeInt, PositiveInt
from zoo_spec.data.base import FilePath
from zoo_spec.data.limits import SoundLimits
from zoo_spec.data.records import Record, Utterance
from zoo_spec.data.source import SourceData


class UtteranceData(SourceData):
    """Base of the specs of data that are sources of utterances."""

    gives: ClassVar[type[Record] | None] = Utterance
    size: ClassVar[tuple[str, str] | None] = ("samples", "waveform_samples")
    rate: PositiveInt = 16_000
    """Samples a second, as the model hears them. Nothing is resampled: a sound of another rate is refused."""
    waveform_samples: PositiveInt = 250_000
    """Samples of an example, padding included; the default gives way where the model allows less. Of a longer
    utterance a part is drawn where its units are learned; for recognition see ``unfit``."""
    least_samples: NonNegativeInt = 0
    """Shorter utterances are left out and counted; fairseq's pre-training leaves out those below 32,000."""
    unfit: Literal["refuse", "drop"] = "refuse"
    """What becomes of an utterance that recognition cannot learn from: longer than ``waveform_samples``, or with
    more letters than frames. ``refuse``: it is a bad record. ``drop``: it is left out and counted."""
    normalize: bool = False
    """Whether each waveform is brought to mean 0 and variance 1 by itself, before it is cut or padded, as HuBERT
    large and extra large (fairseq's ``task.normalize``) have it; predictions do so too."""
    case: Literal["keep", "upper", "lower"] = "keep"
    """What becomes of the letters of transcripts; published dictionaries have upper case."""
    dictionary: FilePath | None = None
    """The letters in the order of their ids: fairseq's ``dict.ltr.txt``, or ``transformers``' ``vocab.json``. Without
    it they are those of the training transcripts, the most frequent first, behind fairseq's four special symbols, of
    which the first is the blank; either is kept in the run directory."""
    mask_probability: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Frames that spans would hide if none overlapped, as a part of all; HuBERT's, which hides about half."""
    mask_length: PositiveInt = 10
    """Frames of a hidden span."""
    min_masks: PositiveInt = 2
    """The least number of spans in an example."""
    limits: SoundLimits = SoundLimits()
    """The most that is read of a file; they change nothing that is learned, and may change while a run rests."""
