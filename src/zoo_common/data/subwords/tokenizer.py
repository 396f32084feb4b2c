"""The WordPiece tokenizer: from the same text and size the same on every machine (see ``train``)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece as WordPieceModel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

from zoo_common.data.subwords.watched import Watched
from zoo_common.data.subwords.word_marks import WordMarks, marks_of
from zoo_spec.errors import InputError
from zoo_spec.reading import reading

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In a trained tokenizer these have the ids 0 to 4."""
CONTINUES = "##"
"""Before a piece that goes on with a word."""


SENTINEL = "<extra_id_{}>"
"""What T5's vocabularies call what stands for the k-th span that was cut out of a text."""
_LONGEST_WORD = 1000
"""Characters that a trainer sees as one word."""
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}|\s{{{_LONGEST_WORD + 1},}}")


@dataclass(frozen=True)
class Subwords:
    """Text to ids and back; the special tokens are found by name, whatever their ids.

    ``origin`` is what messages call it. A tokenizer that must not run in this process is ``watched`` in another.
    """

    tokenizer: Tokenizer
    origin: str = "the tokenizer"
    watched: Watched | None = None

    @property
    def specials(self) -> tuple[str, str, str, str, str]:
        """What padding, an unknown piece, a beginning, an end and a mask are called."""
        raise TypeError(f"{type(self).__name__} does not say what its special tokens are")

    @property
    def whose(self) -> str:
        """Whose vocabularies have these."""
        raise TypeError(f"{type(self).__name__} does not say whose special tokens it has")

    @property
    def between(self) -> int:
        """How many separators stand between two segments."""
        return 1

    @cached_property
    def size(self) -> int:
        """One more than the largest id: the rows that an embedding needs."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def sha256(self) -> str:
        """What tells it from others."""
        return hashlib.sha256(self.tokenizer.to_str(pretty=True).encode("utf-8")).hexdigest()

    @cached_property
    def pad(self) -> int:
        """Id of padding."""
        return self._id(self.specials[0])

    @cached_property
    def cls(self) -> int:
        """Id of what an example begins with."""
        return self._id(self.specials[2])

    @cached_property
    def sep(self) -> int:
        """Id of what a segment ends with."""
        return self._id(self.specials[3])

    @cached_property
    def mask(self) -> int:
        """Id of what stands for a masked token."""
        return self._id(self.specials[4])

    @cached_property
    def unknown(self) -> int | None:
        """Id of a piece that the vocabulary lacks, if it has one."""
        found = self.tokenizer.token_to_id(self.specials[1])
        return None if found is None else int(found)

    @cached_property
    def sentinels(self) -> tuple[int, int, int] | None:
        """Id of the first of T5's sentinels, from one's id to the next's (-1 as published), and their number."""
        first, second = (self.tokenizer.token_to_id(SENTINEL.format(number)) for number in (0, 1))
        if first is None:
            return None
        step = 1 if second == first + 1 else -1
        count = 1
        while self.tokenizer.token_to_id(SENTINEL.format(count)) == first + count * step:
            count += 1
        return int(first), step, count

    def encode(self, sentences: list[str]) -> list[list[int]]:
        """The ids of each sentence, without special tokens: ``[MASK]`` in a text is a word like any other."""
        if self.watched is not None:
            return self.watched.encode(sentences)
        with reading(self.origin, "tokenizers"):
            self._as_words()
            encoded = self.tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
            return [row.ids for row in encoded]

    def pieces(self, text: str) -> list[tuple[int, int, int]]:
        """Each token's id, its first character and the one after its last; special tokens as in ``encode``."""
        if self.watched is not None:
            return self.watched.pieces(text)
        with reading(self.origin, "tokenizers"):
            self._as_words()
            encoded = self.tokenizer.encode(text, add_special_tokens=False)
            return [(index, *span) for index, span in zip(encoded.ids, encoded.offsets, strict=True)]

    def decode(self, ids: Iterable[int] | NDArray[np.integer]) -> str:
        """The text of ids, special tokens included."""
        return str(self.tokenizer.decode([int(each) for each in ids], skip_special_tokens=False))

    @cached_property
    def marks(self) -> WordMarks:
        """How the vocabulary says where words begin."""
        return marks_of(self.tokenizer)

    def continues(self) -> NDArray[np.bool_]:
        """For each id whether it goes on with the word of the token before it, ``[size]``."""
        return self._of_each(self.marks.goes_on)

    def closes(self) -> NDArray[np.bool_]:
        """For each id whether whatever comes next begins a word, ``[size]``."""
        return self._of_each(self.marks.closes)

    def shown(self, index: int) -> str:
        """The token of an id as people are told it; what no space stands before begins with ``##``."""
        token = self.tokenizer.id_to_token(index) or self.specials[1]
        if token in self.specials:
            return token
        return (CONTINUES if self.marks.is_attached(token) else "") + self.marks.text(token)

    def check(self) -> None:
        """Raise InputError unless all special tokens are there."""
        for token in self.specials:
            self._id(token)

    def _as_words(self) -> None:
        """Have special tokens in a text be words; not set anew, which no other thread's text survives."""
        if not self.tokenizer.encode_special_tokens:
            self.tokenizer.encode_special_tokens = True

    def _of_each(self, question: Callable[[str], bool]) -> NDArray[np.bool_]:
        found = np.zeros(self.size, np.bool_)
        for token, index in self.tokenizer.get_vocab(with_added_tokens=True).items():
            found[index] = token not in self.specials and question(token)
        return found

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise InputError(
                f"{self.origin}: the vocabulary has no {token}; it needs {', '.join(dict.fromkeys(self.specials))}, "
                f"as {self.whose} do"
            )
        return int(found)


class WordPiece(Subwords):
    """BERT's tokens: words, and pieces of words that begin with ``##`` where they go on with one."""

    specials = SPECIALS
    whose = "BERT's vocabularies"


def train(
    sentences: Iterable[str], vocabulary_size: int, lower_case: bool, *, reserved: int = 0
) -> WordPiece:
    """Train a WordPiece vocabulary of ``vocabulary_size`` tokens at most, specials included.

    ``reserved`` is how many ids more the model has, for what is no token of the text.

    The library's trainer numbers the continuing characters (``##a``) in the order of a randomly seeded hash
    map, and breaks ties between equally common pairs by these numbers, so two runs would disagree in ids
    and in pieces. Here the alphabet is found first, sorted, and handed over as tokens that have their
    numbers already; after that nothing is left to chance, with any number of threads.
    """
    tokenizer = _untrained(WordPieceModel(unk_token="[UNK]"), lower_case)
    lines = list(trainable(sentences))
    first, continuing = _alphabet(lines, tokenizer, (vocabulary_size - len(SPECIALS)) // 2)
    # Alphabet and merges need room: a vocabulary of specials alone would turn all text into [UNK].
    if vocabulary_size < 2 * len(SPECIALS):
        raise InputError(
            f"a vocabulary of {vocabulary_size} leaves no room for words beside {len(SPECIALS)} special "
            f"tokens; set model.vocab_size to {2 * len(SPECIALS) + reserved} at least"
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


def trainable(sentences: Iterable[str]) -> Iterator[str]:
    """The sentences for a trainer, words of more than 1,000 characters cut: its time grows with a word's square."""
    for sentence in sentences:
        start = 0
        for word in _LONG_WORD.finditer(sentence):
            for end in range(word.start() + _LONGEST_WORD, word.end(), _LONGEST_WORD):
                yield sentence[start:end]
                start = end
        yield sentence[start:]


def _alphabet(lines: list[str], tokenizer: Tokenizer, room: int) -> tuple[list[str], list[str]]:
    """The characters of the text and the forms of those that continue a word, each sorted.

    If both together exceed ``room``, the rarest characters are left out (they become ``[UNK]``).
    """
    characters: Counter[str] = Counter()
    neighbours: set[tuple[str, str]] = set()
    # Each kind of word once: what its characters become does not depend on what stands beyond a space.
    for word, count in Counter(chain.from_iterable(line.split(" ") for line in lines)).items():
        text = tokenizer.normalizer.normalize_str(word)
        for character in text:
            characters[character] += count
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
