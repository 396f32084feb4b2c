"""What ``sentence-transformers`` keeps beside a model: how one vector is made of a text (``modules.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from zoo_common.containers.plain_json import read_json_list, read_json_mapping
from zoo_spec.errors import InputError
from zoo_spec.foreign.config import Fields
from zoo_spec.foreign.sentence_modules import MODES, MODULES, SETTINGS

_WIDTHS = ("word_embedding_dimension", "embedding_dimension")
_KNOWN = {key for key, _, _ in MODES} | {"pooling_mode", "include_prompt", *_WIDTHS}


@dataclass(frozen=True)
class Sentence:
    """Fields of the task ``representation``, how many tokens of a text are read, if it says, and lower-casing."""

    task: Fields
    longest: int | None
    lower_case: bool


def read_sentence(folder: Path, width: JsonValue) -> Sentence | None:
    """How a folder makes a sentence's vector of hidden states of this width; None where it does not say.

    Raises InputError for a module, or something that one says, that is not honoured here.
    """
    path = folder / MODULES
    if not path.is_file():
        return None
    pooling: list[JsonValue] = []
    normalize = False
    for number, module in enumerate(read_json_list(path)):
        said = module if isinstance(module, dict) else {}
        name, place = str(said.get("type", module)).rpartition(".")[2], str(said.get("path", ""))
        if number == 0 and name == "Transformer":
            continue
        if number == 1 and name == "Pooling":
            pooling = _poolings(folder, place, width)
        elif number > 1 and name == "Normalize":
            normalize = True
        else:
            raise InputError(
                f"{path}: module {number} is {name}, and what is read is a Transformer, its Pooling, and Normalize"
            )
    if not pooling:
        raise InputError(
            f"{path}: has no Pooling, without which a text has no vector; delete the file to leave it out"
        )
    _refuse_prompt(folder)
    said_of = folder / SETTINGS
    beside = read_json_mapping(said_of) if said_of.is_file() else {}
    longest = beside.get("max_seq_length")
    return Sentence(
        {"pooling": pooling, "normalize": normalize},
        longest if isinstance(longest, int) and longest > 0 else None,
        beside.get("do_lower_case") is True,
    )


def _poolings(folder: Path, place: str, width: JsonValue) -> list[JsonValue]:
    if Path(place).name != place or place in ("", ".", ".."):
        raise InputError(
            f"{folder / MODULES}: its Pooling is said to be in {place!r}, which is no folder beside it"
        )
    path = folder / place / "config.json"
    config = read_json_mapping(path)
    strange = sorted(set(config) - _KNOWN)
    if strange:
        raise InputError(f"{path}: {strange[0]} is not known here, and may change what is computed")
    for key in _WIDTHS:
        if config.get(key, width) != width:
            raise InputError(f"{path}: {key} is {config[key]}, and the model's hidden states have {width}")
    if config.get("include_prompt", True) is not True:
        raise InputError(
            f"{path}: include_prompt is {config['include_prompt']}; prompts are not left out of a mean here"
        )
    found = _named(config, path) if "pooling_mode" in config else _switched(config)
    if not found:
        raise InputError(f"{path}: no mode of pooling is on")
    return [{"kind": kind} for kind in found]


def _switched(config: Mapping[str, JsonValue]) -> list[str]:
    """The modes that are true; the mean is on unless it is said to be off."""
    return [kind for key, name, kind in MODES if config.get(key, name == "mean") is True]


def _named(config: Mapping[str, JsonValue], path: Path) -> list[str]:
    said = config["pooling_mode"]
    names = said if isinstance(said, list) else str(said).split("+")
    known = {name: kind for _, name, kind in MODES}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise InputError(f"{path}: pooling_mode is {wrong[0]!r}, and the modes are {', '.join(known)}")
    return [kind for name, kind in known.items() if name in names]


def _refuse_prompt(folder: Path) -> None:
    """Raise InputError where a text of its own is put before every other."""
    path = folder / "config_sentence_transformers.json"
    default = read_json_mapping(path).get("default_prompt_name") if path.is_file() else None
    if default is not None:
        raise InputError(
            f"{path}: default_prompt_name is {default!r}, whose text is put before every other; that is not done here"
        )
