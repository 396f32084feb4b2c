"""How the tokens of a vocabulary say where words begin, and what their text is without these marks.

Taken from the tokenizer's own parts, as Hugging Face's ``tokenizers`` has them: the model's prefix of what goes on
with a word (``##``, ``@@``) or suffix of what ends one (``</w>``), and what its pre-tokenizer or normalizer writes a
space as (``Ġ``, ``▁``).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.models import WordPiece as WordPieceModel
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer

from zoo_spec.errors import InputError

_BYTE = re.compile("<0x([0-9A-F]{2})>")
"""What SentencePiece falls back to where a character is no token."""
# What BERT makes a word of its own, each for itself (google-research/bert, tokenization.py, _is_chinese_char).
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordMarks(ABC):
    """What a token's form says of it."""

    def goes_on(self, token: str) -> bool:
        """Whether it goes on with the word of the token before it."""
        return self.is_attached(token)

    def closes(self, token: str) -> bool:
        """Whether whatever follows begins a word."""
        return False

    @abstractmethod
    def is_attached(self, token: str) -> bool:
        """Whether no space stands before it."""

    @abstractmethod
    def text(self, token: str) -> str:
        """The token's own text, without a mark or the space that one stands for."""


@dataclass(frozen=True)
class Prefixed(WordMarks):
    """What goes on with a word begins with ``prefix``."""

    prefix: str

    def is_attached(self, token: str) -> bool:
        """Whether no space stands before it."""
        return token.startswith(self.prefix)

    def text(self, token: str) -> str:
        """The token without its mark."""
        return token.removeprefix(self.prefix)


@dataclass(frozen=True)
class SpaceBefore(WordMarks):
    """What begins a word begins with ``mark``, which stands for the space before it.

    Text without spaces would be one word: as BERT has it, an ideograph is a word of its own.
    """

    mark: str
    is_bytes: bool = False
    """Whether each character stands for a byte (GPT-2)."""

    def goes_on(self, token: str) -> bool:
        """Whether it goes on with a word."""
        return not token.startswith(self.mark) and not _begins_with_ideograph(self._bytes(token))

    def closes(self, token: str) -> bool:
        """Whether a word ends with it."""
        return _ends_with_ideograph(self._bytes(token))

    def is_attached(self, token: str) -> bool:
        """Whether no space stands before it."""
        return not token.startswith(self.mark)

    def text(self, token: str) -> str:
        """The token without its mark."""
        text = self._bytes(token.removeprefix(self.mark)).decode("utf-8", errors="replace")
        return text if self.is_bytes else text.replace(self.mark, " ")

    def _bytes(self, token: str) -> bytes:
        if self.is_bytes:
            return b"".join(_BYTES.get(each, each.encode("utf-8")) for each in token)
        alone = _BYTE.fullmatch(token)
        return bytes([int(alone[1], 16)]) if alone else token.encode("utf-8", errors="replace")


@dataclass(frozen=True)
class Suffixed(WordMarks):
    """What ends a word ends with ``suffix``."""

    suffix: str
    is_bytes: bool = False

    def goes_on(self, token: str) -> bool:
        """Always, but for what ``closes`` a word."""
        return True

    def closes(self, token: str) -> bool:
        """Whether a word ends with it."""
        return token.endswith(self.suffix)

    def is_attached(self, token: str) -> bool:
        """Whether no space stands before it."""
        return False

    def text(self, token: str) -> str:
        """The token without its mark."""
        text = token.removesuffix(self.suffix)
        return SpaceBefore("Ġ", is_bytes=True).text(text) if self.is_bytes else text


class WholeWords(WordMarks):
    """Every token is a word."""

    def is_attached(self, token: str) -> bool:
        """Never."""
        return False

    def text(self, token: str) -> str:
        """The token without its mark."""
        return token


class Unmarked(WholeWords):
    """Nothing in the vocabulary tells where words begin."""

    def goes_on(self, token: str) -> bool:
        """Raise InputError: it cannot be told."""
        raise InputError(
            "the vocabulary does not mark where words begin (no prefix ##, no suffix </w>, and no sign for a space), "
            "so that whole words cannot be masked; set data.masking to tokens"
        )


def marks_of(tokenizer: Tokenizer) -> WordMarks:
    """How a tokenizer's vocabulary marks words."""
    model = tokenizer.model
    before = [*_parts(tokenizer.pre_tokenizer), *_parts(tokenizer.normalizer)]
    is_bytes = any(part["type"] == "ByteLevel" for part in before)
    if isinstance(model, WordLevel):
        return WholeWords()
    if isinstance(model, WordPieceModel | BPE) and model.continuing_subword_prefix:
        return Prefixed(model.continuing_subword_prefix)
    if isinstance(model, BPE) and model.end_of_word_suffix:
        return Suffixed(model.end_of_word_suffix, is_bytes)
    if is_bytes:
        return SpaceBefore("Ġ", is_bytes=True)
    sign = next(filter(None, map(_sign_of_space, before)), "")
    return SpaceBefore(sign) if sign else Unmarked()


def _sign_of_space(part: dict[str, JsonValue]) -> str:
    """What a part writes a space as, if it does."""
    if part["type"] == "Metaspace":
        return str(part["replacement"])
    if part["type"] == "Replace" and part["pattern"] == {"String": " "}:  # As in Llama's files.
        return str(part["content"])
    return ""


def _parts(component: Normalizer | PreTokenizer | None) -> Iterator[dict[str, JsonValue]]:
    """A component of a tokenizer, or those that it is a sequence of."""
    if component is None:
        return
    waiting: list[JsonValue] = [json.loads(str(component.__getstate__(), "utf-8"))]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, dict):
            inner = part.get("pretokenizers", part.get("normalizers"))
            if isinstance(inner, list):
                waiting[:0] = inner
            elif "type" in part:
                yield part


def _bytes_of_characters() -> dict[str, bytes]:
    """GPT-2's characters for bytes (openai/gpt-2, encoder.py): themselves where printable, else those from 256 on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    codes = {chr(byte): byte for byte in plain} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }
    return {character: bytes([byte]) for character, byte in codes.items()}


_BYTES = _bytes_of_characters()


def _begins_with_ideograph(raw: bytes) -> bool:
    """Whether the first character is one, as far as it is there: a token may be the first byte alone."""
    lead = raw[0] if raw else 0
    if 0xE4 <= lead <= 0xE9:  # U+4000 to U+9FFF: there is next to nothing else.
        return True
    return any(_is_ideograph(raw[:length]) for length in (3, 4))


def _ends_with_ideograph(raw: bytes) -> bool:
    return any(_is_ideograph(raw[-length:]) for length in (3, 4))


def _is_ideograph(raw: bytes) -> bool:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(text) == 1 and any(first <= ord(text) <= last for first, last in _IDEOGRAPHS)
