"""SentencePiece's file of a vocabulary, a protocol buffer, read as plain data.

The fields' numbers and defaults are those of google/sentencepiece, sentencepiece_model.proto (``ModelProto``).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

from zoo_common.containers.varints import Fields, message, number, parts
from zoo_common.data.files import read_vocabulary_bytes
from zoo_spec.data.limits import TextLimits
from zoo_spec.reading import UnreadableFileError, printable

SPACE = "▁"
"""What its pieces have for a space."""
_KINDS = {2: "BPE", 3: "words", 4: "characters"}
_UNIGRAM = 1
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_REFUSED = {
    4: "defined by its user, which are cut out of a text before it is normalised",
    5: "marked as unused",
}
_VALUES_OF_A_PIECE = 64


@dataclass(frozen=True)
class SentencePieceFile:
    """What a file says: pieces with their scores in the order of ids, and what is done to a text before it is cut.

    ``specials`` are the pieces that no text has: the unknown one and the controls. ``charsmap`` is the compiled table
    of what characters become, empty where they stay as they are.
    """

    pieces: tuple[tuple[str, float], ...]
    unknown: int
    specials: tuple[str, ...]
    charsmap: bytes
    dummy_prefix: bool
    strips: bool
    byte_fallback: bool

    @property
    def is_cut_at_spaces(self) -> bool:
        """Whether no piece goes from a word into the next, so that words can be cut one by one."""
        return any(piece == SPACE for piece, _ in self.pieces) and all(
            SPACE not in piece[1:] for piece, _ in self.pieces
        )


def read_sentence_pieces(path: Path, limits: TextLimits | None = None) -> SentencePieceFile:
    """The vocabulary of a file.

    Raises InputError for a file that is none, is damaged or beyond the ``limits``, for pieces that are no unigrams,
    and for rules that cannot be kept here, by their names.
    """
    limits = limits or TextLimits()
    return parse_sentence_pieces(read_vocabulary_bytes(path, limits), path, limits)


def parse_sentence_pieces(data: bytes, path: Path, limits: TextLimits) -> SentencePieceFile:
    """The vocabulary of a file's bytes; errors as of ``read_sentence_pieces``, naming ``path``."""
    try:
        return _file(data, path, limits)
    except (ValueError, struct.error) as error:
        raise UnreadableFileError(path, f"is no SentencePiece model, or damaged: {error}") from None


def _file(data: bytes, path: Path, limits: TextLimits) -> SentencePieceFile:
    most = limits.vocabulary_tokens
    model = message(data, most + _VALUES_OF_A_PIECE)
    trainer, rules = _inside(model, 2, most), _inside(model, 3, most)
    found = parts(model, 1)
    if not found:
        raise ValueError("it has no pieces")
    if len(found) > most:
        raise UnreadableFileError(
            path,
            f"has {len(found):,} tokens, and {most:,} are the most; {limits.remedy('vocabulary_tokens')}",
        )
    _refuse(trainer, rules, path)
    pieces, kinds = [], []
    for each in found:
        fields = message(each, _VALUES_OF_A_PIECE)
        pieces.append((_text(fields), _score(fields)))
        kinds.append(number(fields, 3, _NORMAL))
    _check(pieces, kinds, path)
    return SentencePieceFile(
        tuple(pieces),
        unknown=kinds.index(_UNKNOWN),
        specials=tuple(
            piece for (piece, _), kind in zip(pieces, kinds, strict=True) if kind in (_UNKNOWN, _CONTROL)
        ),
        charsmap=_charsmap(rules),
        dummy_prefix=bool(number(rules, 3, 1)),
        strips=bool(number(rules, 4, 1)),
        byte_fallback=bool(number(trainer, 35)),
    )


def _inside(model: Fields, field: int, most: int) -> Fields:
    """The message in a field, whose parts are one, wherever they stand; empty where there is none."""
    return message(b"".join(parts(model, field)), most)


def _refuse(trainer: Fields, rules: Fields, path: Path) -> None:
    kind = number(trainer, 3, _UNIGRAM)
    if kind != _UNIGRAM:
        raise UnreadableFileError(
            path,
            f"its model_type is of {_KINDS.get(kind, f'the unknown kind {kind}')}, and unigrams alone are read",
        )
    if number(trainer, 24):
        raise UnreadableFileError(
            path, "has treat_whitespace_as_suffix, and spaces are read before words only"
        )
    if not number(rules, 5, 1):
        raise UnreadableFileError(path, f"has no escape_whitespaces, and spaces are read as {SPACE} only")


def _check(pieces: list[tuple[str, float]], kinds: list[int], path: Path) -> None:
    if kinds.count(_UNKNOWN) != 1:
        raise ValueError(f"it has {kinds.count(_UNKNOWN)} pieces for what is unknown, where one is needed")
    seen: set[str] = set()
    for index, ((piece, _), kind) in enumerate(zip(pieces, kinds, strict=True)):
        shown = printable(piece[:80])
        if kind in _REFUSED:
            raise UnreadableFileError(
                path, f"the piece {shown} (id {index}) is {_REFUSED[kind]}; such pieces are not read here"
            )
        if kind not in (_NORMAL, _UNKNOWN, _CONTROL, _BYTE):
            raise ValueError(f"the piece {shown} (id {index}) is of the unknown type {kind}")
        if not piece or piece in seen:
            raise ValueError(f"the piece of id {index} is {'there twice: ' + shown if piece else 'empty'}")
        seen.add(piece)


def _charsmap(rules: Fields) -> bytes:
    """The table, which says first how many bytes of it are a trie of numbers; texts follow these."""
    found = b"".join(parts(rules, 2)[-1:])
    size = int.from_bytes(found[:4], "little")
    if found and (len(found) < 4 or size % 4 or size > len(found) - 4):
        raise ValueError("its precompiled_charsmap is cut short")
    return found


def _text(fields: Fields) -> str:
    return b"".join(parts(fields, 1)[-1:]).decode("utf-8")


def _score(fields: Fields) -> float:
    [score] = struct.unpack("<f", number(fields, 2).to_bytes(4, "little"))
    if not math.isfinite(score):
        raise ValueError(f"a piece has the score {score}")
    return float(score)
