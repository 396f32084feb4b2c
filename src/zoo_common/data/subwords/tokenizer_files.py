"""Where a run's tokenizer comes from: its run directory, the user's vocabulary, or training on the text."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from zoo_common.data.files import decoded, read_vocabulary_bytes
from zoo_common.data.reader import kept_by
from zoo_common.data.subwords import byte_level_bpe, sentence_piece_training
from zoo_common.data.subwords.byte_level_bpe import ByteLevelBpe
from zoo_common.data.subwords.sentence_pieces import SentencePieces
from zoo_common.data.subwords.tokenizer import SENTINEL, Subwords, WordPiece, train
from zoo_common.data.subwords.vocabularies import fingerprint, parse, read_vocabulary
from zoo_common.files import explained, write_atomically
from zoo_spec.data import Data, TokenizedData
from zoo_spec.data.limits import TextLimits, limits_of
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, read_file, reading

log = logging.getLogger("zoo")

FILE = "tokenizer.json"
KINDS: dict[str, type[Subwords]] = {
    "wordpiece": WordPiece,
    "byte_level_bpe": ByteLevelBpe,
    "sentencepiece": SentencePieces,
}
"""By ``data.tokenizer``; a published vocabulary of another kind is read as it is, whatever that says."""
RECORD = "tokenizer_record.json"
"""Beside it: its SHA-256 and what it was made from."""
_PUBLISHED = "published weights"
"""What such a tokenizer was made from: it belongs to the model, and not to a text."""
_LONGEST_RECORD = 10_000


def open_tokenizer(
    *,
    sentences: Iterable[str],
    made_from: str,
    vocabulary: str | None,
    vocabulary_size: int,
    kind: str = "wordpiece",
    lower_case: bool,
    run_dir: Path | None,
    reserved: int = 0,
    limits: TextLimits | None = None,
) -> Subwords:
    """The run's tokenizer: the one in the run directory, else the user's ``vocabulary``, else trained now.

    ``made_from`` is the fingerprint of what it is made from, empty where a kept one's is not to be compared,
    ``vocabulary_size`` the rows of the model's embedding, less those ``reserved`` for sentinels that the vocabulary
    itself may lack, ``kind`` as in ``zoo_spec.data.TokenizedData``. Raises InputError if the tokenizer is larger than
    these, of another kind, beyond the ``limits``, or if the kept one is corrupt.
    """
    limits = limits or TextLimits()
    kept = _load(run_dir, made_from, limits) if run_dir is not None else None
    if kept is not None:
        found, origin = kept, f"{run_dir}/{FILE}"
    elif vocabulary is not None:
        rows = vocabulary_size + reserved
        found, origin = read_vocabulary(vocabulary, lower_case, limits, rows), vocabulary
    else:
        found, origin = (
            _train(kind, sentences, vocabulary_size, lower_case, reserved),
            "the tokenizer trained on the text",
        )
    _require(found, origin, kind, vocabulary_size, reserved)
    if found.size < vocabulary_size and kept is None:
        log.info(
            "%s has %s tokens, the model's embedding %s rows: the other %s are never used",
            origin, f"{found.size:,}", f"{vocabulary_size:,}", f"{vocabulary_size - found.size:,}",
        )  # fmt: skip
    if run_dir is not None and kept is None:
        _save(found, run_dir, made_from)
    return found


def data_tokenizer(
    data: TokenizedData,
    *,
    sentences: Iterable[str],
    text: str,
    vocabulary_size: int,
    run_dir: Path | None,
    begins_with: str | None = None,
    reserved: int = 0,
) -> Subwords:
    """``open_tokenizer`` as the data says it; ``text`` tells the ``sentences`` from others.

    Without a ``data.vocabulary`` it is that of the run, or of the checkpoint's run, whose weights the run
    ``begins_with``, for these know no other tokens.
    """
    keeps_one = run_dir is not None and (run_dir / FILE).exists()
    vocabulary, made_from = data.vocabulary, text
    if vocabulary is None and begins_with is not None:
        # What it began with need not be there any more when the run goes on.
        vocabulary = None if keeps_one else _known_to(begins_with)
        made_from = "" if keeps_one else text
    if vocabulary is not None:
        made_from = f"vocabulary {fingerprint(vocabulary, data.limits)}"
    how = f"lower_case {data.lower_case}" if data.tokenizer == "wordpiece" else data.tokenizer
    return open_tokenizer(
        sentences=sentences,
        made_from=f"{made_from}, {how}" if made_from else "",
        vocabulary=vocabulary,
        vocabulary_size=vocabulary_size,
        reserved=reserved,
        kind=data.tokenizer,
        lower_case=data.lower_case,
        run_dir=run_dir,
        limits=data.limits,
    )


def _known_to(begins_with: str) -> str | None:
    """The tokenizer of a run, or of the run that a checkpoint lies in; None where there is none."""
    found = kept_by(begins_with, FILE)
    if found is not None:
        return str(found)
    log.warning(
        "%s has no %s, and data.vocabulary names none: what a vocabulary is made of now its weights do not know",
        begins_with, FILE,
    )  # fmt: skip
    return None


def _train(
    kind: str, sentences: Iterable[str], vocabulary_size: int, lower_case: bool, reserved: int
) -> Subwords:
    if kind == "sentencepiece":
        return sentence_piece_training.train(sentences, vocabulary_size, reserved=reserved)
    if kind == "byte_level_bpe":
        return byte_level_bpe.train(sentences, vocabulary_size, reserved=reserved)
    return train(sentences, vocabulary_size, lower_case, reserved=reserved)


def run_tokenizer(data: Data, run_dir: Path, vocabulary_size: int | None) -> Subwords | None:
    """The tokenizer that a run keeps, whatever fed it, or ``data.vocabulary``, if it learned from a user's batches.

    None for data that no tokenizer reads. Raises InputError if there is none though one does, it is corrupt, or of
    another size or kind than the model was made for.
    """
    path = run_dir / FILE
    limits = limits_of(data)
    if path.exists():
        return _checked(run_dir, limits if isinstance(limits, TextLimits) else TextLimits())[0]
    if not isinstance(data, TokenizedData):
        return None
    if data.vocabulary is None:
        raise InputError(
            f"{path}: there is no such file, and data.vocabulary names none; put back the tokenizer that the run "
            "was trained with"
        )
    found = read_vocabulary(data.vocabulary, data.lower_case, data.limits, vocabulary_size)
    _require(found, data.vocabulary, data.tokenizer, vocabulary_size)
    return found


def _require(found: Subwords, origin: str, kind: str, vocabulary_size: int | None, reserved: int = 0) -> None:
    """Raise InputError unless a tokenizer is of this kind, has its special tokens, and fits the embedding's rows."""
    if not isinstance(found, (KINDS[kind], SentencePieces)):
        other = kind_of(found)
        raise InputError(
            f"{origin}: it is a {other} tokenizer, and data.tokenizer is {kind}; set it to {other}"
        )
    found.check()
    if found.sentinels is not None and reserved:
        _require_sentinels(found, origin, reserved)
        vocabulary_size, reserved = (vocabulary_size or 0) + reserved, 0
    if vocabulary_size is not None and found.size > vocabulary_size:
        beside = f" beside {reserved} for sentinels" if reserved else ""
        raise InputError(
            f"{origin}: it has {found.size:,} tokens, the model's embedding only {vocabulary_size:,} rows{beside}; "
            f"set model.vocab_size to {found.size + reserved} at least, or give a smaller data.vocabulary"
        )


def kind_of(found: Subwords) -> str:
    """What ``data.tokenizer`` calls it."""
    return next(name for name, cls in KINDS.items() if isinstance(found, cls))


def _require_sentinels(found: Subwords, origin: str, needed: int) -> None:
    first, _, count = found.sentinels or (0, 0, 0)
    if count < needed:
        raise InputError(
            f"{origin}: it has {count} sentinels ({SENTINEL.format(0)}, id {first}, and those next to it), "
            f"and an example may have {needed} spans; lower data.sequence_length or data.masked_fraction, or raise "
            "data.mean_span_length"
        )


def keep_published(tokenizer: Subwords, run_dir: Path) -> None:
    """Keep a tokenizer that came with published weights, for whatever text the run is given."""
    _save(tokenizer, run_dir, _PUBLISHED)


def _save(tokenizer: Subwords, run_dir: Path, made_from: str) -> None:
    """Keep the tokenizer; the record goes first, so that a tokenizer without one is never left behind."""
    data = tokenizer.tokenizer.to_str(pretty=True).encode("utf-8")
    record = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "made_from": made_from,
        "library": f"tokenizers {version('tokenizers')}",
    }
    with explained("write", run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(run_dir / RECORD, json.dumps(record, indent=2) + "\n")
    write_atomically(run_dir / FILE, data)


def _load(run_dir: Path, made_from: str, limits: TextLimits) -> Subwords | None:
    """The tokenizer that the run directory keeps, checked against its record; None if there is none."""
    path = run_dir / FILE
    if not path.exists():
        return None
    found, origin = _checked(run_dir, limits)
    if made_from and origin not in (made_from, _PUBLISHED):
        log.warning(
            "%s was made from another text or vocabulary than data names now; the run keeps its tokenizer",
            path,
        )
    return found


def _checked(run_dir: Path, limits: TextLimits) -> tuple[Subwords, str]:
    """The kept tokenizer and what it was made from; raises InputError if it is not what was written."""
    path = run_dir / FILE
    remedy = f"put the file back, or delete it and {RECORD} to have it made again from the same text"
    data = read_vocabulary_bytes(path, limits)
    record = _read_record(run_dir / RECORD, remedy)
    found = hashlib.sha256(data).hexdigest()
    if found != record["sha256"]:
        raise InputError(
            f"{path}: the file is corrupt: its SHA-256 is {found}, {record['sha256']} was written; {remedy}"
        )
    return parse(decoded(data, path, remedy), path, remedy, limits), record["made_from"]


def _read_record(path: Path, remedy: str) -> dict[str, str]:
    try:
        with reading(path, "JSON", remedy="it is corrupt"):
            record = json.loads(read_file(path, most=_LONGEST_RECORD, remedy="it is none of ours"))
            return {"sha256": str(record["sha256"]), "made_from": str(record["made_from"])}
    except UnreadableFileError as error:
        raise InputError(f"{error}; it belongs to {FILE}: {remedy}") from None
