"""How sounds are prepared for published weights, and which letters their classes are."""

from __future__ import annotations

from math import gcd

from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.data.letter_files import read_letters
from zoo_common.published.source import Published
from zoo_spec.data.limits import SoundLimits
from zoo_spec.foreign.config import Fields

_FILE, _LETTERS = "preprocessor_config.json", "vocab.json"
_RATE = 16_000
_USUAL_UNITS = 100


def read_sounds(published: Published) -> tuple[Fields, list[str]]:
    """The data of utterances as these weights want them, and what is to be said of it.

    ``transformers`` says it in a file beside the weights, fairseq in its settings.
    """
    path = published.folder / _FILE
    said = read_json_mapping(path) if path.is_file() else {}
    normalize = said.get("do_normalize", published.config.get("normalize"))
    rate = said.get("sampling_rate", published.config.get("sample_rate"))
    rate = rate if isinstance(rate, int) and rate > 0 else _RATE
    data: Fields = {
        "kind": "generated_speech",
        "rate": rate,
        "unit_rate": gcd(rate, _USUAL_UNITS),
        "normalize": normalize is True,
    }
    notes = []
    if normalize is True:
        notes.append(
            "normalize is true: data.normalize brings each waveform to mean 0 and variance 1 by itself, in training "
            "and in answers; batches of your own have to be so before they are padded"
        )
    return data, notes


def letters_beside(published: Published, classes: int) -> tuple[list[str] | None, list[str]]:
    """The letters of a model with so many classes for CTC, and what is to be said of them."""
    path = published.folder / _LETTERS
    if not path.is_file():
        return None, []
    names = read_letters(path, SoundLimits()).names
    if len(names) != classes:
        return None, [
            f"{_LETTERS} has {len(names)} letters, and the model {classes} classes: they have no names"
        ]
    return list(names), []
