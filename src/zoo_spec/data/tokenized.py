"""What all data of text says: by which vocabulary it is cut into tokens, and how many an example has."""

from __future__ import annotations

from typing import ClassVar, Literal

from zoo_spec.base import PositiveInt
from zoo_spec.data.base import FilePath
from zoo_spec.data.limits import TextLimits
from zoo_spec.data.source import SourceData


class TokenizedData(SourceData):
    """Base of the specs of data that a tokenizer reads."""

    size: ClassVar[tuple[str, str] | None] = ("sequence", "sequence_length")
    vocabulary: FilePath | None = None
    """A vocabulary: ``vocab.txt`` (WordPiece), ``vocab.json`` beside its ``merges.txt`` (byte-level BPE),
    ``spiece.model`` (SentencePiece; ``.model``, ``.spm``), or ``tokenizer.json``. Without one it is trained on the
    training text, as large as the model's embedding at most, and kept in the run directory."""
    tokenizer: Literal["wordpiece", "byte_level_bpe", "sentencepiece"] = "wordpiece"
    """What text is cut into. ``wordpiece``, as BERT has it. ``byte_level_bpe``, as GPT-2 and RoBERTa have it: every
    text has tokens, case and white space are kept. ``sentencepiece``, as T5 has it: unigrams, trained by the library
    of that name. A ``vocabulary`` of SentencePiece's is read as it is under any."""
    lower_case: bool = True
    """Lower-case the text and strip its accents, as the uncased BERT models do; ``wordpiece`` only."""
    sequence_length: PositiveInt = 128
    """Tokens of an example, special tokens and padding included."""
    limits: TextLimits = TextLimits()
    """The most that is read of a file; they change nothing that is learned, and may change while a run rests."""
