"""Sentences to find names in: templates of English, in whose slots are names of CLDR, by a counter-based draw.

A type's names are those of CLDR's table in English: places are the territories with a code of two letters. Templates
have capitals and numbers that are no names, and some names have words of another type in them (``Danish Krone``).
"""

from __future__ import annotations

import re

from zoo_common.data.base import Split
from zoo_common.data.entities import Entity, as_iob2
from zoo_common.data.records import Look, read_records
from zoo_common.data.sources.held import HeldRecords
from zoo_common.data.word_cuts import cut_words
from zoo_spec.data.cldr_sentences import CldrSentences
from zoo_spec.data.records import LabelledWords
from zoo_spec.importing import require_extra
from zoo_spec.random import Stream

Names = dict[str, list[str]]
"""The names of each type, sorted."""

_SLOT = re.compile(r"\{(\w+)\}")
_TEMPLATES = (
    "The delegation from {place} arrived on Monday.",
    "Officials in {place} said that trade with {place} had grown by 4 percent.",
    "She speaks {language} and reads {language}.",
    "The committee will meet in {place} next spring, a spokesman said.",
    "Prices are given in {currency}, not in {currency}.",
    "He translated the novel from {language} into {language} in 1987.",
    "The central bank sold {currency} to buy {currency}.",
    "{place} and {place} signed the agreement on Tuesday.",
    "Most people in {place} understand {language}.",
    "Banks in {place} accept the {currency}.",
    "The Council asked {place} to publish the report in {language}.",
    "Exports of {place} are paid for in {currency}.",
    "A dictionary of {language} was printed in {place}.",
    "The {currency} fell against the {currency} on Friday.",
    "{language} is taught at the University, but few students choose it.",
    "The Minister spoke {language} at the summit in {place}.",
    "No one at the meeting could explain the decision.",
    "The Bank kept its rate at 2 percent on Thursday.",
    "Teams from {place}, {place} and {place} have qualified for the final.",
    "The notes are written in {language} and the answers in {language}.",
    "Visitors to {place} should carry some {currency}.",
    "The river flows through {place} for 300 kilometres.",
    "The contract is worth 12 million in {currency}.",
    "Broadcasts in {language} reach listeners in {place}.",
)


def _all_names() -> Names:
    from babel import Locale

    locale = Locale.parse("en")
    places = {name for code, name in locale.territories.items() if re.fullmatch("[A-Z]{2}", str(code))}
    return {
        "currency": sorted({str(name) for name in locale.currencies.values()}),
        "language": sorted({str(name) for name in locale.languages.values()}),
        "place": sorted(map(str, places)),
    }


def _names(data: CldrSentences, split: Split) -> Names:
    """Those of one part: of each type a part is held out."""
    found: Names = {}
    for kind, names in _all_names().items():
        order = [int(each) for each in Stream(data.split_seed, "names", kind).permutation(len(names))]
        held_out = round(len(names) * data.evaluation_fraction)
        chosen = order[:held_out] if split == "eval" else order[held_out:]
        found[kind] = [names[each] for each in sorted(chosen)]
    return found


def _sentence(names: Names, stream: Stream, where: str) -> LabelledWords:
    template = _TEMPLATES[stream.integer(len(_TEMPLATES))]
    words, entities, end = list[str](), list[Entity](), 0
    for slot in _SLOT.finditer(template):
        words += _cut(template[end : slot.start()])
        kind = slot[1]
        name = _cut(names[kind][stream.integer(len(names[kind]))])
        entities.append(Entity(kind, len(words), len(words) + len(name)))
        words += name
        end = slot.end()
    words += _cut(template[end:])
    return LabelledWords(where, tuple(words), tuple(as_iob2(entities, len(words))))


def _cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in cut_words(text, "words")]


@read_records.register
def _read(data: CldrSentences, split: Split, look: Look) -> HeldRecords:
    require_extra("babel", library="babel", extra="names", what="data of kind 'cldr_sentences'")
    from babel import __version__

    names = _names(data, split)
    count = round(data.samples * data.evaluation_fraction) if split == "eval" else data.samples
    records = [
        _sentence(
            names, Stream(data.split_seed, "sentences", split, index), f"sentence {index + 1} of CLDR's names"
        )
        for index in range(count if all(names.values()) else 0)
    ]
    size = sum(len(" ".join(record.words).encode()) for record in records)
    about = f"sentences made with CLDR's names in English (babel {__version__})"
    return HeldRecords(records, about, size, look, libraries=("numpy", "babel"))
