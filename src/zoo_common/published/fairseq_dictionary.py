"""fairseq's dictionaries: rows of an embedding, by their symbols in the order of ids.

Source: facebookresearch/fairseq, fairseq/data/dictionary.py: four symbols of its own, then those of the file, line by
line; a task adds others behind them (``<mask>``).
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo_common.containers.inert import StandIn
from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.data.subwords.vocabularies import byte_pairs
from zoo_common.published.tokenizers import Tokenizer
from zoo_spec.errors import InputError
from zoo_spec.reading import printable, read_file

FIRST = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
_LARGEST = 64 << 20
_LINE = re.compile(r"(.+) [0-9]+(?: #fairseq:overwrite)?")
_PIECES, _MERGES = ("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")


def symbols_of(task_state: object) -> list[str] | None:
    """The symbols of the dictionary of targets that a checkpoint holds; None where it holds none."""
    if not isinstance(task_state, dict):
        return None
    for name in ("target_dictionary", "dictionary"):
        held = task_state.get(name)
        symbols = held.fields.get("symbols") if isinstance(held, StandIn) else None
        if isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols):
            return [str(symbol) for symbol in symbols]
    return None


def read_dictionary(folder: Path, names: tuple[str, ...]) -> list[str] | None:
    """The symbols of the first of these files that is there, behind fairseq's own; None where there is none.

    Raises InputError for a line that is no symbol and its count, or a symbol that stands twice.
    """
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return None
    data = read_file(path, most=_LARGEST, remedy="no dictionary is as long")
    symbols = dict.fromkeys(FIRST)
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), start=1):
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            raise InputError(
                f"{printable(path)}:{number}: is no symbol and its count: {printable(line[:80])!r}"
            )
        if match[1] in symbols and not line.endswith("#fairseq:overwrite"):
            raise InputError(f"{printable(path)}:{number}: repeats {printable(match[1])!r}")
        symbols.setdefault(match[1])
    return list(symbols)


def read_roberta_tokenizer(folder: Path, rows: int) -> tuple[Tokenizer | None, list[str]]:
    """RoBERTa's tokenizer in its dictionary's own order of ids, None where a part is missing, and what is to be said.

    Pieces are GPT-2's (``encoder.json``, ``vocab.bpe``); ``dict.txt`` has the row of each, by its id there. The
    embedding of so many ``rows`` ends with ``<mask>``.
    """
    symbols = read_dictionary(folder, ("dict.txt",))
    pieces = next((folder / name for name in _PIECES if (folder / name).is_file()), None)
    merges = next((folder / name for name in _MERGES if (folder / name).is_file()), None)
    if symbols is None or pieces is None or merges is None:
        lacks = [
            " or ".join(names)
            for names, found in ((("dict.txt",), symbols), (_PIECES, pieces), (_MERGES, merges))
            if found is None
        ]
        return None, [f"there is no {', '.join(lacks)} beside the weights, so that texts cannot be answered"]
    numbered = read_json_mapping(pieces)
    if FIRST[0] in numbered:
        return None, [
            f"{printable(pieces.name)} has {FIRST[0]}, so that its ids are those of a model's rows already, and "
            "dict.txt's are GPT-2's: give encoder.json with GPT-2's ids"
        ]
    table = {str(index): piece for piece, index in numbered.items() if type(index) is int}
    order = {table.get(symbol, symbol): row for row, symbol in enumerate(symbols)}
    order.setdefault(MASK, rows - 1)
    if len(order) > rows or max(order.values()) >= rows:
        raise InputError(
            f"{printable(folder / 'dict.txt')}: has {len(symbols):,} symbols with fairseq's own, and the embedding "
            f"{rows:,} rows"
        )
    try:
        found = byte_pairs(order, str(pieces), merges)
    except InputError as error:
        return None, [f"the tokenizer is not read: {error}"]
    return Tokenizer(found, pieces, False), []
