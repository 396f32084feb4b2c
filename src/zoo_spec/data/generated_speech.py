"""Speech that nobody spoke: letters as pairs of tones, to learn recognition by where nothing real is at hand."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.data.utterances import UtteranceData


class GeneratedSpeech(UtteranceData):
    """Words out of a small vocabulary, spelled in sound: a letter is two pairs of tones, one after the other.

    Each letter's tones differ from all others'. Words, durations, a speaker's pitch and loudness, phases and noise
    are drawn, and so is the vocabulary, by ``split_seed``. Units are the pairs of tones: 0 is silence, ``1 + 2 * n``
    and ``2 + 2 * n`` the two of letter ``n``.
    """

    kind: Literal["generated_speech"] = "generated_speech"
    drawn: ClassVar[str] = "words spelled in tones with noise, made and spoken by nobody"
    utterances: PositiveInt = 2048
    """Utterances to train on."""
    evaluation_utterances: PositiveInt = 128
    """Utterances to evaluate on, others than those."""
    letters: Annotated[int, Field(ge=2, le=27)] = 27
    """Letters of its alphabet: the first of A to Z, then the apostrophe."""
    vocabulary_words: PositiveInt = 24
    """Words that it is made of, of two or three letters each."""
    most_words: PositiveInt = 3
    """Most words of an utterance; there is one at least."""
    letter_seconds: Annotated[float, Field(gt=0, le=10)] = 0.1
    """The least duration of a letter; up to two units more are drawn."""
    unit_rate: PositiveInt = 100
    """Units a second; ``rate`` is a multiple of it."""
    noise: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Largest value, up or down, that is added to each sample; a tone's amplitude is 0.15 to 0.5."""

    @property
    def has_evaluation(self) -> bool:
        """Always."""
        return True

    @model_validator(mode="after")
    def _whole_units(self) -> Self:
        if self.rate % self.unit_rate:
            raise ValueError(
                f"rate {self.rate} is no multiple of unit_rate {self.unit_rate}; a unit is a whole number of samples"
            )
        return self
