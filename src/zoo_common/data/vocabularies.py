"""The files that a vocabulary comes in: ``tokenizer.json``, ``vocab.txt``, or ``vocab.json`` with ``merges.txt``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.models import WordPiece as WordPieceModel

from zoo_common.data.byte_level_bpe import END_OF_TEXT, ByteLevelBpe, Gpt2Bpe, around
from zoo_common.data.files import existing_file, read_bytes
from zoo_common.data.tokenizer import CONTINUES, SPECIALS, Subwords, WordPiece, finished
from zoo_spec.errors import InputError

MERGES = "merges.txt"
"""What stands beside a ``vocab.json``: the merges of byte-level BPE, a pair a line, the first one first."""


def read_vocabulary(path: str, lower_case: bool) -> Subwords:
    """A user's vocabulary; ``lower_case`` is for a ``vocab.txt``, which does not say it.

    Raises InputError for a file that is none, or that a part is missing of.
    """
    text = _text(path)
    if not path.endswith(".json"):
        return _word_pieces(text, path, lower_case)
    if _is_table(text):
        return _bytes_and_merges(text, path)
    return parse(
        text, path, f"give a tokenizer.json that the tokenizers library wrote, or a vocab.json with {MERGES}"
    )


def fingerprint(path: str) -> str:
    """SHA-256 of all that a user's vocabulary is read from."""
    digest = hashlib.sha256(read_bytes(path))
    if path.endswith(".json") and _is_table(_text(path)):
        digest.update(read_bytes(_merges(path)))
    return digest.hexdigest()


def parse(text: str, path: str | Path, remedy: str) -> Subwords:
    """A ``tokenizer.json``; raises InputError, with a remedy, for what is none."""
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a tokenizer ({error}); {remedy}") from None
    # What a user's file may ask for, padding and cutting, is done by the examples.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return _byte_level(tokenizer) if isinstance(tokenizer.model, BPE) else WordPiece(tokenizer)


def _byte_level(tokenizer: Tokenizer) -> ByteLevelBpe:
    """GPT-2's, if it has GPT-2's only special token and none of RoBERTa's."""
    known = tokenizer.get_vocab(with_added_tokens=True)
    is_gpt2 = END_OF_TEXT in known and not known.keys() & set(ByteLevelBpe.specials)
    return Gpt2Bpe(tokenizer) if is_gpt2 else ByteLevelBpe(tokenizer)


def _text(path: str | Path) -> str:
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte offset {error.start}; a vocabulary is text") from None


def _is_table(text: str) -> bool:
    """Whether a JSON document is a ``vocab.json``: tokens, of every byte at least, and their ids alone."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    is_large = isinstance(found, dict) and len(found) >= 256
    return is_large and all(type(index) is int for index in found.values())


def _merges(path: str) -> Path:
    merges = Path(path).with_name(MERGES)
    if not merges.exists():
        raise InputError(
            f"{path}: there is no {merges} beside it, which says how its tokens are put together; put it there, or "
            "give a tokenizer.json"
        )
    existing_file(merges)
    return merges


def _bytes_and_merges(text: str, path: str) -> ByteLevelBpe:
    """As GPT-2 and RoBERTa are published; raises InputError for a merge of what the vocabulary lacks."""
    merges = _merges(path)
    vocabulary: dict[str, int] = json.loads(text)
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(_text(merges).split("\n"), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        first, _, second = line.rstrip("\r").partition(" ")
        missing = [token for token in (first, second, first + second) if token not in vocabulary]
        if not second or missing:
            wrong = "is no pair" if not second else f"has {missing[0]!r}, which {path} lacks"
            raise InputError(
                f"{merges}:{number}: the line {wrong}; give the {MERGES} that belongs to this vocabulary"
            )
        pairs.append((first, second))
    tokenizer = around(BPE(vocab=vocabulary, merges=pairs))
    found = _byte_level(tokenizer)
    tokenizer.add_special_tokens([token for token in dict.fromkeys(found.specials) if token in vocabulary])
    return found


def _word_pieces(text: str, path: str, lower_case: bool) -> WordPiece:
    """A text file of one token a line."""
    tokens = [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
    vocabulary: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if not token or token in vocabulary:
            wrong = "is empty" if not token else f"repeats {token!r} of line {vocabulary[token] + 1}"
            raise InputError(
                f"{path}:{number + 1}: the line {wrong}; a vocabulary has one token a line, each once"
            )
        vocabulary[token] = number
    missing = [token for token in SPECIALS if token not in vocabulary]
    if missing:
        raise InputError(
            f"{path}: the vocabulary has no {', '.join(missing)}; it needs {', '.join(SPECIALS)}"
        )
    model = WordPieceModel(vocabulary, unk_token="[UNK]", continuing_subword_prefix=CONTINUES)
    return WordPiece(finished(model, lower_case))
