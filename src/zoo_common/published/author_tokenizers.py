"""Tokenizers as authors and KerasHub lay them beside weights."""

from __future__ import annotations

from pathlib import Path

from tokenizers.normalizers import BertNormalizer

from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.data.subwords.vocabularies import byte_pairs, read_vocabulary
from zoo_common.published.tokenizers import Tokenizer, read_pieces
from zoo_spec.errors import InputError
from zoo_spec.reading import printable, read_file

_LARGEST = 64 << 20
Found = tuple[Tokenizer | None, list[str]]
_NONE = "there is no {} beside the weights, so that texts cannot be answered"


def google_tokenizer(folder: Path, rows: int) -> Found:
    """BERT's ``vocab.txt``. Whether texts are lower-cased, an option of its code, is told by words with capitals."""
    path = folder / "vocab.txt"
    if not path.is_file():
        return None, [_NONE.format(path.name)]
    text = read_file(path, most=_LARGEST, remedy="no vocabulary is as long").decode("utf-8", "replace")
    words = [word for word in text.split("\n") if not word.startswith("[")]
    lower_case = all(word == word.lower() for word in words)
    said = (
        "no word with a capital: texts are lower-cased"
        if lower_case
        else "words with capitals: texts keep theirs"
    )
    found, problems = _read(path, lower_case)
    return found, problems or [f"{path.name} has {said}"]


def openai_tokenizer(folder: Path, rows: int) -> Found:
    """GPT-2's ``encoder.json`` and ``vocab.bpe``."""
    return _byte_pairs(folder, "encoder.json", "vocab.bpe")


def mesh_tokenizer(folder: Path, rows: int) -> Found:
    """T5's ``sentencepiece.model``, which its authors have in a folder of vocabularies."""
    path = folder / "sentencepiece.model"
    return read_pieces(path, rows) if path.is_file() else (None, [_NONE.format(path.name)])


def keras_hub_tokenizer(folder: Path, rows: int) -> Found:
    """That of a preset, whose settings are those of ``tokenizer.json``, read as plain data."""
    assets, saved = folder / "assets" / "tokenizer", folder / "tokenizer.json"
    if (assets / "vocabulary.json").is_file():
        return _byte_pairs(assets, "vocabulary.json", "merges.txt")
    if (assets / "vocabulary.spm").is_file():
        return read_pieces(assets / "vocabulary.spm", rows)
    path = assets / "vocabulary.txt"
    if not path.is_file():
        others = [each.name for each in sorted(assets.glob("*"))] if assets.is_dir() else []
        return None, [f"{printable(others[0])} is not read" if others else _NONE.format("vocabulary")]
    config = read_json_mapping(saved).get("config") if saved.is_file() else None
    said = config if isinstance(config, dict) else {}
    found, problems = _read(path, said.get("lowercase") is True)
    if found is not None and isinstance(found.pieces.tokenizer.normalizer, BertNormalizer):
        # KerasHub lower-cases and leaves accents, unless it is told to; BERT's own code drops them.
        found.pieces.tokenizer.normalizer.strip_accents = said.get("strip_accents") is True
    return found, problems


def _read(path: Path, lower_case: bool) -> Found:
    try:
        return Tokenizer(read_vocabulary(str(path), lower_case), path, lower_case), []
    except InputError as error:
        return None, [f"the tokenizer is not read: {error}"]


def _byte_pairs(folder: Path, pieces: str, merges: str) -> Found:
    missing = [name for name in (pieces, merges) if not (folder / name).is_file()]
    if missing:
        return None, [_NONE.format(" or ".join(missing))]
    table = {
        piece: index for piece, index in read_json_mapping(folder / pieces).items() if type(index) is int
    }
    try:
        found = byte_pairs(table, str(folder / pieces), folder / merges)
    except InputError as error:
        return None, [f"the tokenizer is not read: {error}"]
    return Tokenizer(found, folder / pieces, False), []
