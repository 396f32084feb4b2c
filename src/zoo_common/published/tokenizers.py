"""The tokenizer beside published weights: read as its project reads it, and kept with the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue
from tokenizers.normalizers import BertNormalizer

from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.data.subwords.tokenizer import Subwords, WordPiece
from zoo_common.data.subwords.tokenizer_files import kind_of
from zoo_common.data.subwords.vocabularies import SENTINELS, read_unigrams, read_vocabulary
from zoo_spec.errors import InputError

FOLDER = "published"
"""Where a run keeps the files themselves, as they were."""
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
"""By which a folder's tokenizer is read, the best first."""
_PIECES = "spiece.model"
"""SentencePiece's file, as T5's folders have it; read where there is none of those."""
_BESIDE = (
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", _PIECES,
    "sentencepiece.model", "sentencepiece.bpe.model", "preprocessor_config.json", "generation_config.json",
    "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
)  # fmt: skip
"""What else belongs to it, or to how inputs are made."""


@dataclass(frozen=True)
class Tokenizer:
    """A folder's tokenizer, and whether it lower-cases where its own file does not say."""

    pieces: Subwords
    file: Path
    lower_case: bool

    @property
    def kind(self) -> str:
        """What ``data.tokenizer`` calls it."""
        return kind_of(self.pieces)


def read_tokenizer(folder: Path, rows: int) -> tuple[Tokenizer | None, list[str]]:
    """A folder's tokenizer, beside a table of so many rows, and what is to be said of it.

    None where it has none that is read.
    """
    file = next((path for name in _VOCABULARIES if (path := folder / name).is_file()), None)
    if file is None and (folder / _PIECES).is_file():
        return _pieces(folder, rows)
    if file is None:
        other = "sentencepiece.bpe.model"
        said = (
            f"{other} is not read; with a tokenizer.json beside it texts could be answered"
            if (folder / other).is_file()
            else (
                "there is no tokenizer beside the weights, so that texts cannot be answered: give data.vocabulary"
            )
        )
        return None, [said]
    said_of = _config(folder)
    lower_case = _lower_case(said_of)
    try:
        pieces = read_vocabulary(str(file), lower_case)
        if isinstance(pieces, WordPiece) and file.suffix == ".txt":
            pieces.tokenizer.normalizer = _normalizer(said_of, lower_case)
        return Tokenizer(pieces, file, lower_case), []
    except InputError as error:
        return None, [f"the tokenizer is not read: {error}"]


def read_pieces(path: Path, rows: int, sentinels: int = SENTINELS) -> tuple[Tokenizer | None, list[str]]:
    """That of SentencePiece's file, whatever it is called, with T5's sentinels where there are rows for them."""
    try:
        pieces, said = read_unigrams(path, rows, sentinels)
    except InputError as error:
        return None, [f"the tokenizer is not read: {error}"]
    return Tokenizer(pieces, path, lower_case=False), said


def _pieces(folder: Path, rows: int) -> tuple[Tokenizer | None, list[str]]:
    said = _config(folder).get("extra_ids")
    return read_pieces(folder / _PIECES, rows, said if type(said) is int and 0 <= said <= rows else SENTINELS)


def _config(folder: Path) -> dict[str, JsonValue]:
    path = folder / "tokenizer_config.json"
    return read_json_mapping(path) if path.is_file() else {}


def _normalizer(config: dict[str, JsonValue], lower_case: bool) -> BertNormalizer:
    """What BERT's tokenizers do to a text before they cut it; accents go with case, unless that is said."""
    accents, chinese = config.get("strip_accents"), config.get("tokenize_chinese_chars")
    return BertNormalizer(
        lowercase=lower_case,
        strip_accents=accents if isinstance(accents, bool) else None,
        handle_chinese_chars=chinese if isinstance(chinese, bool) else True,
    )


def _lower_case(config: dict[str, JsonValue]) -> bool:
    """BERT's tokenizers lower-case unless they are told not to."""
    said = config.get("do_lower_case")
    return said if isinstance(said, bool) else True


def kept_files(folder: Path) -> list[Path]:
    """The files of a folder that a run keeps as they are."""
    names = ("config.json", *_VOCABULARIES, *_BESIDE)
    return [path for name in names if (path := folder / name).is_file()]
