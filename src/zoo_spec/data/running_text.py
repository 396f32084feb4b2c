"""What all sources of running text say, however it is written: what examples are made of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo_spec.base import NonNegativeInt, PositiveInt, Rate
from zoo_spec.data.base import FilePath
from zoo_spec.data.records import Record, RunningText
from zoo_spec.data.tokenized import TokenizedData

Probability = Annotated[float, Field(ge=0, le=1)]


class RunningTextData(TokenizedData):
    """Base of the specs of data that are sources of running text.

    It is cut into examples for masked (Devlin et al., 2019, 3.1) or causal language modelling, or spans are cut out.
    """

    gives: ClassVar[type[Record] | None] = RunningText
    layout: Literal["prose", "sentence_lines"] = "prose"
    """How documents are laid out. ``prose``: lines may be wrapped, a blank line ends a paragraph, sentences are found
    by their punctuation; in plain files two or more blank lines or the file's end end a document.
    ``sentence_lines``, as google-research/bert reads it: a sentence a line; in plain files a blank line ends a
    document."""
    evaluation_fraction: Rate = 0.05
    """Part of the text, by characters, that is held out for evaluation: whole documents drawn by
    ``split_seed``, or each document's last sentences where there are too few documents for that."""
    max_predictions: PositiveInt = 20
    """Most tokens that are masked in an example."""
    masked_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Part of an example's tokens that is to be predicted."""
    mean_span_length: Annotated[float, Field(ge=1)] = 3.0
    """Tokens of a span that is cut out, on average, for span corruption."""
    masking: Literal["tokens", "words", "phrases"] = "tokens"
    """What is masked as a whole. ``tokens``: each by itself. ``words``: all tokens of a word (whole-word masking,
    google-research/bert). ``phrases``: all tokens of a phrase or an entity of ``phrases``, else of a word (ERNIE;
    Sun et al., 2019, 3.2)."""
    phrases: FilePath | None = None
    """A text file of one phrase or entity a line, for ``masking: phrases``."""
    duplicates: PositiveInt | None = None
    """Static masking: each example is made in so many ways, which epochs take in turn (``dupe_factor`` of
    google-research/bert). Without it masking is dynamic: every epoch has its own (Liu et al., 2019, RoBERTa, 4.1)."""
    overlap: NonNegativeInt = 0
    """Tokens that a window for causal language modelling has in common with the one before it. In evaluation they are
    context alone: their labels weigh nothing, so that each token is predicted once."""
    short_sequence_probability: Probability = 0.1
    """How often an example is made shorter than it could be, by a length drawn at random."""
    random_next_probability: Probability = 0.5
    """How often the second sentence of a pair is drawn from another document."""

    @model_validator(mode="after")
    def _phrases_to_mask(self) -> Self:
        if (self.masking == "phrases") != (self.phrases is not None):
            given = "is not given" if self.phrases is None else f"is {self.phrases!r}"
            raise ValueError(
                f"masking is {self.masking} and the file of phrases {given}; give both (masking: phrases), or neither"
            )
        return self
