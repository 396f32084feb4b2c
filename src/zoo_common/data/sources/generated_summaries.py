"""Documents with summaries, put together by (split_seed, number) from lists of words."""

from __future__ import annotations

from zoo_common.data.base import Split
from zoo_common.data.records import Look, read_records
from zoo_common.data.sources.held import HeldRecords
from zoo_spec.data.generated_summaries import GeneratedSummaries
from zoo_spec.data.records import SummarizedText
from zoo_spec.random import Stream

_TOWNS = (
    *("Lund", "Bergen", "Delft", "Ghent", "Turku", "Porto", "Siena", "Gdynia", "Brno", "Graz", "Basel"),
    *("Lyon", "Cork", "Leeds", "Tampa", "Quito", "Lima", "Osaka", "Pune", "Accra"),
)
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
_VERBS = ["build", "sell", "paint", "close", "open", "repair", "move", "rent"]
_KINDS = ["wooden", "small", "old", "green", "famous", "empty", "narrow", "modern"]
_THINGS = (
    *("bridge", "school", "garden", "library", "station", "market"),
    *("theatre", "museum", "harbour", "tower", "stadium", "bakery"),
)
_DECISION = "On {day} the council of {town} decided to {verb} a {kind} {thing}."
_OTHERS = (
    "The {kind} {thing} of {town} was full of people on {day}.",
    "Many people in {town} still remember the {kind} {thing}.",
    "A visitor from {town} took a picture of a {kind} {thing}.",
    "It rained in {town} on {day} and nobody went to the {thing}.",
    "The {thing} near {town} has a {kind} door and two windows.",
)


def text_of(data: GeneratedSummaries, number: int) -> SummarizedText:
    """One document; no two of its sentences name the same town."""
    stream = Stream(data.split_seed, "summaries", number)
    towns = [_TOWNS[int(each) % len(_TOWNS)] for each in stream.permutation(max(len(_TOWNS), data.sentences))]
    decides = {int(each) for each in stream.permutation(data.sentences)[: data.decisions]}
    document, summary = [], []
    for place in range(data.sentences):
        words = {
            "town": towns[place],
            "day": _DAYS[stream.integer(len(_DAYS))],
            "verb": _VERBS[stream.integer(len(_VERBS))],
            "kind": _KINDS[stream.integer(len(_KINDS))],
            "thing": _THINGS[stream.integer(len(_THINGS))],
        }
        if place in decides:
            document.append(_DECISION.format(**words))
            summary.append("{town} to {verb} {kind} {thing}".format(**words))
        else:
            document.append(_OTHERS[stream.integer(len(_OTHERS))].format(**words))
    return SummarizedText(f"generated text {number + 1}", tuple(document), tuple(summary))


@read_records.register
def _read(data: GeneratedSummaries, split: Split, look: Look) -> HeldRecords:
    records = [text_of(data, number) for number in range(data.texts)]
    return HeldRecords(records, GeneratedSummaries.drawn, 0, look, libraries=("numpy",))
