"""Where a run's tokenizer comes from: its run directory, the user's vocabulary, or training on the text."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece as WordPieceModel

from zoo_common.data.files import read_bytes, write_atomically
from zoo_common.data.tokenizer import CONTINUES, SPECIALS, WordPiece, finished, train
from zoo_spec.errors import InputError

log = logging.getLogger("zoo")

FILE = "tokenizer.json"
RECORD = "tokenizer_record.json"
"""Beside it: its SHA-256 and what it was made from."""


def open_tokenizer(
    *,
    sentences: Iterable[str],
    made_from: str,
    vocabulary: str | None,
    vocabulary_size: int,
    lower_case: bool,
    run_dir: Path | None,
) -> WordPiece:
    """The run's tokenizer: the one in the run directory, else the user's ``vocabulary``, else trained now.

    ``made_from`` is the fingerprint of what it is made from, ``vocabulary_size`` the rows of the model's
    embedding. Raises InputError if the tokenizer is larger than these, or if the kept one is corrupt.
    """
    kept = _load(run_dir, made_from) if run_dir is not None else None
    if kept is not None:
        found, origin = kept, f"{run_dir}/{FILE}"
    elif vocabulary is not None:
        found, origin = _read(vocabulary, lower_case), vocabulary
    else:
        found, origin = train(sentences, vocabulary_size, lower_case), "the tokenizer trained on the text"
    found.check()
    if found.size > vocabulary_size:
        raise InputError(
            f"{origin}: it has {found.size:,} tokens, the model's embedding only {vocabulary_size:,} rows; "
            f"set model.vocab_size to {found.size} at least, or give a smaller data.vocabulary"
        )
    if found.size < vocabulary_size and kept is None:
        log.info(
            "%s has %s tokens, the model's embedding %s rows: the other %s are never used",
            origin, f"{found.size:,}", f"{vocabulary_size:,}", f"{vocabulary_size - found.size:,}",
        )  # fmt: skip
    if run_dir is not None and kept is None:
        _save(found, run_dir, made_from)
    return found


def kept_tokenizer(run_dir: Path) -> WordPiece:
    """The tokenizer that a run keeps; raises InputError if there is none or it is corrupt."""
    path = run_dir / FILE
    if not path.exists():
        raise InputError(
            f"{path}: there is no such file; put back the tokenizer that the run was trained with"
        )
    found, _ = _checked(run_dir)
    return found


def _read(path: str, lower_case: bool) -> WordPiece:
    """A user's vocabulary: ``tokenizer.json``, or a text file of one token a line."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte offset {error.start}; a vocabulary is text") from None
    if path.endswith(".json"):
        return _parse(text, path, "give a tokenizer.json that the tokenizers library wrote")
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


def _parse(text: str, path: str | Path, remedy: str) -> WordPiece:
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a tokenizer ({error}); {remedy}") from None
    # What a user's file may ask for, padding and cutting, is done by the examples.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return WordPiece(tokenizer)


def _save(tokenizer: WordPiece, run_dir: Path, made_from: str) -> None:
    """Keep the tokenizer; the record goes first, so that a tokenizer without one is never left behind."""
    data = tokenizer.tokenizer.to_str(pretty=True).encode("utf-8")
    record = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "made_from": made_from,
        "library": f"tokenizers {version('tokenizers')}",
    }
    write_atomically(run_dir / RECORD, (json.dumps(record, indent=2) + "\n").encode("utf-8"))
    write_atomically(run_dir / FILE, data)


def _load(run_dir: Path, made_from: str) -> WordPiece | None:
    """The tokenizer that the run directory keeps, checked against its record; None if there is none."""
    path = run_dir / FILE
    if not path.exists():
        return None
    found, origin = _checked(run_dir)
    if origin != made_from:
        log.warning(
            "%s was made from another text or vocabulary than data names now; the run keeps its tokenizer",
            path,
        )
    return found


def _checked(run_dir: Path) -> tuple[WordPiece, str]:
    """The kept tokenizer and what it was made from; raises InputError if it is not what was written."""
    path = run_dir / FILE
    remedy = f"put the file back, or delete it and {RECORD} to have it made again from the same text"
    data = read_bytes(path)
    record = _read_record(run_dir / RECORD, remedy)
    found = hashlib.sha256(data).hexdigest()
    if found != record["sha256"]:
        raise InputError(
            f"{path}: the file is corrupt: its SHA-256 is {found}, {record['sha256']} was written; {remedy}"
        )
    return _parse(data.decode("utf-8"), path, remedy), record["made_from"]


def _read_record(path: Path, remedy: str) -> dict[str, str]:
    try:
        record = json.loads(read_bytes(path))
        return {"sha256": str(record["sha256"]), "made_from": str(record["made_from"])}
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise InputError(f"{error}; it belongs to {FILE}: {remedy}") from None
        raise InputError(f"{path}: the file is corrupt ({error}); {remedy}") from None
