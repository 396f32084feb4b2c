"""A SentencePiece file's tokenizer, as ``tokenizers`` runs it: that of T5."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from zoo_common.data.subwords.sentence_piece_file import SPACE, SentencePieceFile

_END = "</s>"


def unigram_tokenizer(file: SentencePieceFile, sentinels: Sequence[str] = ()) -> str:
    """``tokenizer.json`` of a file's pieces, with special tokens behind them."""
    return json.dumps(_content(file, sentinels))


def _content(file: SentencePieceFile, sentinels: Sequence[str]) -> dict[str, JsonValue]:
    """What ``tokenizer.json`` says of it."""
    pieces = [*file.pieces, *((each, 0.0) for each in sentinels)]
    ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    specials = sorted([*file.specials, *sentinels], key=ids.__getitem__)
    return {
        "version": "1.0",
        "added_tokens": [_added(ids[piece], piece) for piece in specials],
        "normalizer": {"type": "Sequence", "normalizers": list(_normalizers(file))},
        # Text that is one piece after all its rules is cut faster by words.
        "pre_tokenizer": _metaspace("never") if file.is_cut_at_spaces else None,
        "post_processor": _ending(ids) if _END in ids else None,
        "decoder": _decoder(file),
        "model": {
            "type": "Unigram",
            "unk_id": file.unknown,
            "vocab": [[piece, score] for piece, score in pieces],
            "byte_fallback": file.byte_fallback,
        },
    }


def _normalizers(file: SentencePieceFile) -> Iterator[JsonValue]:
    """SentencePiece's order (normalizer.cc): characters, spaces that are too many, one before all, their sign."""
    if file.charsmap:
        table = base64.b64encode(file.charsmap).decode("ascii")
        yield {"type": "Precompiled", "precompiled_charsmap": table}
    if file.strips:
        # Each pattern begins at one place of a run only, so that long runs cost no more than their length.
        yield _replaced(" {2,}", " ")
        yield _replaced(r"\A ", "")
        yield _replaced(rf"(?<![ {SPACE}])[ {SPACE}]+\z", "")
    if file.dummy_prefix:
        yield {"type": "Prepend", "prepend": SPACE}
    yield {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}


def _replaced(pattern: str, content: str) -> JsonValue:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _decoder(file: SentencePieceFile) -> JsonValue:
    if not file.byte_fallback:
        return _metaspace("always" if file.dummy_prefix else "never")
    steps: list[JsonValue] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if file.dummy_prefix:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _metaspace(prepend: str) -> JsonValue:
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": prepend, "split": True}


def _ending(ids: dict[str, int]) -> JsonValue:
    """T5's: an end after each text."""
    end: JsonValue = {"SpecialToken": {"id": _END, "type_id": 0}}
    first: JsonValue = {"Sequence": {"id": "A", "type_id": 0}}
    second: JsonValue = {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": {_END: {"id": _END, "ids": [ids[_END]], "tokens": [_END]}},
    }


def _added(index: int, piece: str) -> JsonValue:
    return {
        "id": index,
        "content": piece,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
