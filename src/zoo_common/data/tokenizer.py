"""The WordPiece tokenizer: from the same text and size the same on every machine (see ``train``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece as WordPieceModel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

from zoo_spec.errors import InputError

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In a trained tokenizer these have the ids 0 to 4."""
CONTINUES = "##"
"""Before a piece that goes on with a word."""


@dataclass(frozen=True)
class WordPiece:
    """Text to ids and back; the special tokens are found by name, whatever their ids."""

    tokenizer: Tokenizer

    @cached_property
    def size(self) -> int:
        """One more than the largest id: the rows that an embedding needs."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def pad(self) -> int:
        """Id of ``[PAD]``."""
        return self._id("[PAD]")

    @cached_property
    def cls(self) -> int:
        """Id of ``[CLS]``."""
        return self._id("[CLS]")

    @cached_property
    def sep(self) -> int:
        """Id of ``[SEP]``."""
        return self._id("[SEP]")

    @cached_property
    def mask(self) -> int:
        """Id of ``[MASK]``."""
        return self._id("[MASK]")

    def encode(self, sentences: list[str]) -> list[list[int]]:
        """The ids of each sentence, without special tokens: ``[MASK]`` in a text is a word like any other."""
        self.tokenizer.encode_special_tokens = True
        encoded = self.tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
        return [row.ids for row in encoded]

    def decode(self, ids: Iterable[int] | NDArray[np.integer]) -> str:
        """The text of ids, special tokens included."""
        return str(self.tokenizer.decode([int(each) for each in ids], skip_special_tokens=False))

    def check(self) -> None:
        """Raise InputError unless all special tokens are there."""
        for token in SPECIALS:
            self._id(token)

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise InputError(
                f"the vocabulary has no {token}; it needs {', '.join(SPECIALS)}, as BERT's vocabularies do"
            )
        return int(found)


def train(sentences: Iterable[str], vocabulary_size: int, lower_case: bool) -> WordPiece:
    """Train a WordPiece vocabulary of ``vocabulary_size`` tokens at most, specials included.

    The library's trainer numbers the continuing characters (``##a``) in the order of a randomly seeded hash
    map, and breaks ties between equally common pairs by these numbers, so two runs would disagree in ids
    and in pieces. Here the alphabet is found first, sorted, and handed over as tokens that have their
    numbers already; after that nothing is left to chance, with any number of threads.
    """
    tokenizer = _untrained(WordPieceModel(unk_token="[UNK]"), lower_case)
    lines = list(sentences)
    first, continuing = _alphabet(lines, tokenizer, (vocabulary_size - len(SPECIALS)) // 2)
    # Alphabet and merges need room: a vocabulary of specials alone would turn all text into [UNK].
    if vocabulary_size < 2 * len(SPECIALS):
        raise InputError(
            f"a vocabulary of {vocabulary_size} leaves no room for words beside {len(SPECIALS)} special "
            f"tokens; set model.vocab_size to {2 * len(SPECIALS)} at least"
        )
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=[*SPECIALS, *first, *continuing],
        initial_alphabet=first,
        limit_alphabet=len(first),
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    # The trainer took the alphabet for special tokens; only five are.
    model = WordPieceModel(
        tokenizer.get_vocab(),
        unk_token="[UNK]",
        continuing_subword_prefix=CONTINUES,
        max_input_chars_per_word=100,
    )
    return WordPiece(finished(model, lower_case))


def _alphabet(lines: list[str], tokenizer: Tokenizer, room: int) -> tuple[list[str], list[str]]:
    """The characters of the text and the forms of those that continue a word, each sorted.

    If both together exceed ``room``, the rarest characters are left out (they become ``[UNK]``).
    """
    characters: Counter[str] = Counter()
    neighbours: set[tuple[str, str]] = set()
    for line in lines:
        text = tokenizer.normalizer.normalize_str(line)
        characters.update(text)
        neighbours.update(pairwise(text))
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    # Two characters in one piece, exactly as the library sees it: the second continues a word.
    inside = {
        second
        for first, second in neighbours
        if [piece for piece, _ in split(first + second)] == [first + second]
    }
    kept: list[str] = []
    for character, _ in sorted(characters.items(), key=lambda item: (-item[1], item[0])):
        if not split(character):
            continue
        room -= 1 + (character in inside)
        if room < 0:
            break
        kept.append(character)
    return sorted(kept), [CONTINUES + character for character in sorted(kept) if character in inside]


def _untrained(model: WordPieceModel, lower_case: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder(prefix=CONTINUES, cleanup=True)
    return tokenizer


def finished(model: WordPieceModel, lower_case: bool) -> Tokenizer:
    """A tokenizer of BERT's rules for white space, case and punctuation around a model."""
    tokenizer = _untrained(model, lower_case)
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer
