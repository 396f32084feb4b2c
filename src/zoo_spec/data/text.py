"""Running text, and what examples of it are like."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo_spec.base import NonNegativeInt, PositiveInt, Rate
from zoo_spec.data.base import FilePath, FilePaths
from zoo_spec.data.tokenized import TokenizedData

Probability = Annotated[float, Field(ge=0, le=1)]


class TextData(TokenizedData):
    """Running text, cut into examples for masked (Devlin et al., 2019, 3.1) or causal language modelling."""

    kind: Literal["text"] = "text"
    files: FilePaths | None = None
    """Plain text files in UTF-8. Without any, ``corpus`` is read."""
    corpus: Literal["python_docs"] = "python_docs"
    """Embedded text, read when there are no ``files``: the manual pages that every CPython carries."""
    layout: Literal["prose", "sentence_lines"] = "prose"
    """How ``files`` are laid out. ``prose``: lines may be wrapped, a blank line ends a paragraph, two or more
    blank lines or the file's end end a document, sentences are found by their punctuation.
    ``sentence_lines``, as google-research/bert reads it: a sentence a line, a blank line ends a document."""
    tables: Literal["refuse", "as_text"] = "refuse"
    """What becomes of a file that looks like a table (TSV, CSV, JSON lines): its columns, labels and header would be
    learned as if they were text. ``as_text`` means just that."""
    evaluation_files: FilePaths | None = None
    """Text to evaluate on; then nothing of ``files`` is held out."""
    evaluation_fraction: Rate = 0.05
    """Part of the text, by characters, that is held out for evaluation: whole documents drawn by
    ``split_seed``, or each document's last sentences where there are too few documents for that."""
    split_seed: NonNegativeInt = 0
    """Decides which documents are held out; apart from ``training.seed``, so that runs stay comparable."""
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
