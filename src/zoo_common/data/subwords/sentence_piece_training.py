"""A vocabulary of SentencePiece's unigrams (Kudo, 2018), trained by its own library as T5's was."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from tokenizers import Tokenizer

from zoo_common.data.subwords.sentence_piece_file import parse_sentence_pieces
from zoo_common.data.subwords.sentence_pieces import SentencePieces
from zoo_common.data.subwords.tokenizer import trainable
from zoo_common.data.subwords.unigram import unigram_tokenizer
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra
from zoo_spec.reading import reading

_LEAST = 16
"""Pieces, of which three are no text's."""
_LONGEST = 1 << 24
"""Bytes of a sentence; the library leaves longer ones out in silence, by default those above 4,192."""


def train(sentences: Iterable[str], vocabulary_size: int, *, reserved: int = 0) -> SentencePieces:
    """A vocabulary of ``vocabulary_size`` pieces at most; ``<pad>``, ``</s>`` and ``<unk>`` come first, as in T5's.

    In one thread, on whose number the result depends. ``reserved`` is how many ids more the model has, for what is no
    token of the text. Raises InputError for a size without room for the text's characters, EnvironmentFault where the
    library is not installed.
    """
    require_extra(
        "sentencepiece",
        library="sentencepiece",
        extra="text",
        what="a vocabulary of sentencepiece to be trained",
    )
    lines = list(trainable(sentences))
    characters = Counter(chain.from_iterable(lines))
    ordered = sorted(characters, key=lambda each: (-characters[each], each))
    # The library refuses a text with more characters than pieces; half of these at most are characters here.
    rare = dict.fromkeys(map(ord, ordered[vocabulary_size // 2 :]))
    lines = [line.translate(rare) for line in lines] if rare else lines
    if vocabulary_size < _LEAST or not lines:
        wanted = (
            "there is no text"
            if not lines
            else f"there are {vocabulary_size} pieces and {_LEAST} are the least"
        )
        raise InputError(
            f"no vocabulary can be trained: {wanted}; give more text, or set model.vocab_size to "
            f"{_LEAST + reserved} at least"
        )
    file = parse_sentence_pieces(
        _trained(lines, vocabulary_size), Path("the tokenizer trained on the text"), TextLimits()
    )
    return SentencePieces(Tokenizer.from_str(unigram_tokenizer(file)))


def _trained(lines: list[str], vocabulary_size: int) -> bytes:
    """The library's file."""
    import sentencepiece

    written = io.BytesIO()
    with reading("the text", "sentencepiece", remedy="raise model.vocab_size, or give more text"):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=written,
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            max_sentence_length=_LONGEST,
            num_threads=1,
            minloglevel=3,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
        )
    return written.getvalue()
