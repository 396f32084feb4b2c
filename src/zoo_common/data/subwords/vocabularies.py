"""The files that vocabularies come in: ``tokenizer.json``, ``vocab.txt``, ``vocab.json``, ``spiece.model``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeGuard

from pydantic import JsonValue
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.models import WordPiece as WordPieceModel

from zoo_common.data.files import decoded, existing_file, read_vocabulary_bytes
from zoo_common.data.subwords.byte_level_bpe import END_OF_TEXT, ByteLevelBpe, Gpt2Bpe, around
from zoo_common.data.subwords.byte_level_bpe import SPECIALS as ROBERTA_SPECIALS
from zoo_common.data.subwords.sentence_piece_file import read_sentence_pieces
from zoo_common.data.subwords.sentence_pieces import SentencePieces
from zoo_common.data.subwords.tokenizer import (
    CONTINUES,
    SENTINEL,
    SPECIALS,
    Subwords,
    WordPiece,
    finished,
)
from zoo_common.data.subwords.unigram import unigram_tokenizer
from zoo_common.data.subwords.watched import Watched, patterns_of
from zoo_common.data.subwords.word_marks import SpaceBefore, Suffixed, marks_of
from zoo_spec.data.limits import TextLimits
from zoo_spec.errors import InputError
from zoo_spec.reading import printable, reading

MERGES = "merges.txt"
"""What stands beside a ``vocab.json``: the merges of byte-level BPE, a pair a line, the first one first."""
PIECES = (".model", ".spm")
"""How SentencePiece's files are called."""
SENTINELS = 100
"""How many T5 has beside its file's pieces."""
_REMEDY = f"it is not a tokenizer; give a tokenizer.json that tokenizers wrote, or a vocab.json with {MERGES}"
_PARTS_A_TOKEN = 8
"""Strings and lists for each token, with its merges: a token and two merges of two are seven."""
_LONGEST_TOKEN, _LONGEST_WORD = 1000, 500
"""Characters: beyond these, the time for one long word of a text is a matter of minutes."""


def read_vocabulary(
    path: str, lower_case: bool, limits: TextLimits | None = None, rows: int | None = None
) -> Subwords:
    """A user's vocabulary; ``lower_case`` is for a ``vocab.txt``, which does not say it.

    ``rows`` are those of the table that it is for, where that is known (``read_unigrams``). Raises InputError for a
    file that is none, that a part is missing of, or that is beyond the ``limits``.
    """
    limits = limits or TextLimits()
    if path.endswith(PIECES):
        return read_unigrams(Path(path), rows or 0, limits=limits)[0]
    text = _text(path, limits)
    if not path.endswith(".json"):
        return _word_pieces(text, path, lower_case, limits)
    content = _content(text, path, _REMEDY, limits)
    if _is_table(content):
        return byte_pairs(content, path, _merges(path), limits)
    return parse(text, path, _REMEDY, limits)


def read_unigrams(
    path: Path, rows: int, sentinels: int = SENTINELS, *, limits: TextLimits | None = None
) -> tuple[Subwords, list[str]]:
    """A SentencePiece file's tokenizer for a table of so many ``rows``, and what is to be said of it.

    T5's ``sentinels`` follow the pieces, the last one first, where the table has rows for them all. Raises InputError
    for what is no such file, is damaged, or asks for what cannot be done here.
    """
    file = read_sentence_pieces(path, limits)
    known = any(piece == SENTINEL.format(0) for piece, _ in file.pieces)
    room = rows - len(file.pieces)
    added = [SENTINEL.format(number) for number in reversed(range(sentinels))]
    if known or room < sentinels:
        added = []
    found = parse(unigram_tokenizer(file, added), path, "get the file again", limits)
    found.check()
    if known or added or not sentinels:
        return found, []
    return found, [
        f"{printable(path.name)} has {len(file.pieces):,} pieces: of {rows:,} rows {max(room, 0)} are left, too few "
        f"for {sentinels} sentinels, and none are added"
    ]


def fingerprint(path: str, limits: TextLimits | None = None) -> str:
    """SHA-256 of all that a user's vocabulary is read from."""
    limits = limits or TextLimits()
    data = read_vocabulary_bytes(path, limits)
    digest = hashlib.sha256(data)
    if path.endswith(".json") and _is_table(_content(decoded(data, path, _REMEDY), path, _REMEDY, limits)):
        digest.update(read_vocabulary_bytes(_merges(path), limits))
    return digest.hexdigest()


def parse(text: str, path: str | Path, remedy: str, limits: TextLimits | None = None) -> Subwords:
    """A ``tokenizer.json``; raises InputError, with a remedy, for what is none."""
    limits = limits or TextLimits()
    content = _content(text, path, remedy, limits)
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(model, dict):
        raise InputError(f"{path}: has no model; {remedy}")
    _check_tokens(_size(model.get("vocab")), path, limits)
    patterns = patterns_of(content)
    # First in a process of its own: what it does not survive is not tried in this one.
    watched = Watched(text, path, patterns) if patterns else None
    with reading(path, "tokenizers", remedy=remedy):
        tokenizer = Tokenizer.from_str(text)
        # What a user's file may ask for, padding and cutting, is done by the examples.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        found = _class_of(tokenizer)(tokenizer, str(path), watched)
        _check_costs(found, path)
    return found


def _class_of(tokenizer: Tokenizer) -> type[Subwords]:
    """BERT's, GPT-2's or RoBERTa's pieces, or others."""
    if isinstance(tokenizer.model, WordPieceModel):
        return WordPiece
    marks = marks_of(tokenizer)
    if isinstance(tokenizer.model, BPE) and isinstance(marks, SpaceBefore | Suffixed) and marks.is_bytes:
        return _byte_level(tokenizer)
    return SentencePieces


def _byte_level(tokenizer: Tokenizer) -> type[ByteLevelBpe]:
    """GPT-2's, if it has GPT-2's only special token and none of RoBERTa's."""
    known = tokenizer.get_vocab(with_added_tokens=True)
    is_gpt2 = END_OF_TEXT in known and not known.keys() & set(ROBERTA_SPECIALS)
    return Gpt2Bpe if is_gpt2 else ByteLevelBpe


def _check_costs(found: Subwords, path: str | Path) -> None:
    """Raise InputError for tables that make a long word take minutes."""
    vocabulary = found.tokenizer.get_vocab(with_added_tokens=True)
    if not vocabulary:
        raise InputError(f"{path}: the vocabulary has no tokens; give another")
    longest = max(map(len, vocabulary))
    if longest > _LONGEST_TOKEN:
        raise InputError(
            f"{path}: has a token of {longest:,} characters, and {_LONGEST_TOKEN:,} are the most; leave it out"
        )
    model = found.tokenizer.model
    most = model.max_input_chars_per_word if isinstance(model, WordPieceModel) else 0
    if most > _LONGEST_WORD:
        raise InputError(
            f"{path}: max_input_chars_per_word is {most:,}, and {_LONGEST_WORD} are the most (the time for a word "
            "grows with its cube); lower it to 100, as BERT has it"
        )


def _text(path: str | Path, limits: TextLimits) -> str:
    return decoded(read_vocabulary_bytes(path, limits), path, "a vocabulary is text")


def _content(text: str, path: str | Path, remedy: str, limits: TextLimits) -> JsonValue:
    """What a JSON document holds; counted first, for Python takes fifty times a short string's bytes."""
    parts = text.count('"') // 2 + text.count("[") + text.count("{")
    if parts > _PARTS_A_TOKEN * limits.vocabulary_tokens:
        raise InputError(
            f"{path}: has {parts:,} strings, lists and mappings, more than a vocabulary of "
            f"{limits.vocabulary_tokens:,} tokens; {limits.remedy('vocabulary_tokens')}"
        )
    with reading(path, "JSON", remedy=remedy):
        found: JsonValue = json.loads(text)
    return found


def _check_tokens(count: int, path: str | Path, limits: TextLimits) -> None:
    if count > limits.vocabulary_tokens:
        raise InputError(
            f"{path}: has {count:,} tokens, and {limits.vocabulary_tokens:,} are the most; "
            f"{limits.remedy('vocabulary_tokens')}"
        )


def _size(vocabulary: JsonValue) -> int:
    return len(vocabulary) if isinstance(vocabulary, dict | list) else 0


def _is_table(content: JsonValue) -> TypeGuard[dict[str, int]]:
    """Whether a JSON document is a ``vocab.json``: tokens, of every byte at least, and their ids alone."""
    return (
        isinstance(content, dict)
        and len(content) >= 256
        and all(type(index) is int for index in content.values())
    )


def _merges(path: str) -> Path:
    merges = Path(path).with_name(MERGES)
    if not merges.exists():
        raise InputError(
            f"{path}: there is no {merges} beside it, which says how its tokens are put together; put it there, or "
            "give a tokenizer.json"
        )
    return existing_file(merges)


def byte_pairs(
    vocabulary: dict[str, int], path: str, merges: Path, limits: TextLimits | None = None
) -> ByteLevelBpe:
    """As GPT-2 and RoBERTa are published; raises InputError for a merge of what the vocabulary lacks."""
    limits = limits or TextLimits()
    _check_tokens(len(vocabulary), path, limits)
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(_text(merges, limits).split("\n"), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        first, _, second = line.rstrip("\r").partition(" ")
        missing = [token for token in (first, second, first + second) if token not in vocabulary]
        if not second or missing:
            wrong = "is no pair" if not second else f"has {missing[0]!r}, which {path} lacks"
            raise InputError(
                f"{merges}:{number}: the line {wrong}; give the {merges.name} that belongs to this vocabulary"
            )
        pairs.append((first, second))
    with reading(path, "tokenizers", remedy=_REMEDY):
        tokenizer = around(BPE(vocab=vocabulary, merges=pairs))
        found = _byte_level(tokenizer)(tokenizer, path)
        tokenizer.add_special_tokens(
            [token for token in dict.fromkeys(found.specials) if token in vocabulary]
        )
        _check_costs(found, path)
    return found


def _without_ids(lines: list[str], path: str) -> list[str]:
    """The tokens of lines, of which ERNIE's say each token's id too, behind a tab; InputError for another id."""
    if not lines or not lines[0].endswith("\t0"):
        return lines
    tokens = []
    for number, line in enumerate(lines):
        token, _, index = line.rpartition("\t")
        if index != str(number):
            raise InputError(
                f"{path}:{number + 1}: the line ends with {index[:80]!r}, and the first said its token's id, which "
                f"is {number} here; a vocabulary has its tokens in the order of their ids"
            )
        tokens.append(token)
    return tokens


def _word_pieces(text: str, path: str, lower_case: bool, limits: TextLimits) -> WordPiece:
    """A text file of one token a line."""
    _check_tokens(text.count("\n"), path, limits)
    tokens = _without_ids([line.rstrip("\r") for line in text.removesuffix("\n").split("\n")], path)
    vocabulary: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if not token or token in vocabulary:
            wrong = "is empty" if not token else f"repeats {token[:80]!r} of line {vocabulary[token] + 1}"
            raise InputError(
                f"{path}:{number + 1}: the line {wrong}; a vocabulary has one token a line, each once"
            )
        vocabulary[token] = number
    missing = [token for token in SPECIALS if token not in vocabulary]
    if missing:
        raise InputError(
            f"{path}: the vocabulary has no {', '.join(missing)}; it needs {', '.join(SPECIALS)}"
        )
    with reading(path, "tokenizers", remedy=_REMEDY):
        model = WordPieceModel(vocabulary, unk_token="[UNK]", continuing_subword_prefix=CONTINUES)
        found = WordPiece(finished(model, lower_case), path)
        _check_costs(found, path)
    return found
