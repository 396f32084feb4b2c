"""Questions on CLDR's territories: a paragraph of facts in a drawn order, and a question on each fact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from zoo_common.data.base import Split
from zoo_common.data.held_out import HeldOut
from zoo_common.data.records import Look, read_records
from zoo_common.data.sources.cldr_names import names_of
from zoo_common.data.sources.held import HeldRecords
from zoo_spec.data.cldr_questions import CldrQuestions
from zoo_spec.data.records import Answer, Question
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra
from zoo_spec.random import Stream


class _Fact(NamedTuple):
    """A sentence and a question, with the answer, and the territory's name, in the place of ``{}``."""

    sentence: str
    question: str
    answer: str


def _facts(languages: tuple[str, ...]) -> Iterator[tuple[str, str, list[_Fact]]]:
    """Code and English name of each territory that is no continent, and what is known of it."""
    from babel.languages import get_official_languages
    from babel.numbers import get_territory_currencies

    english = names_of("en")
    others = {language: names_of(language) for language in languages}
    for (table, code, *_), name in sorted(english.items()):
        if table != "territories" or not (len(code) == 2 and code.isalpha()):
            continue
        facts = [_Fact("Its code is {}.", "How is {} abbreviated?", code)]
        money = [english.get(("currencies", each)) for each in get_territory_currencies(code)]
        if money and money[0]:
            facts.append(_Fact("People pay with {}.", "Which currency has {}?", money[0]))
        spoken = [english.get(("languages", each)) for each in get_official_languages(code)]
        if spoken and spoken[0]:
            facts.append(_Fact("The official language is {}.", "What is spoken in {}?", spoken[0]))
        for language, names in others.items():
            called, said = names.get(("territories", code)), english.get(("languages", language), language)
            if called:
                facts.append(_Fact(f"In {said} it is {{}}.", f"What is {{}} called in {said}?", called))
        yield code, name, facts


def _paragraphs(data: CldrQuestions, code: str, name: str, facts: list[_Fact]) -> Iterator[list[Question]]:
    """The questions on each paragraph; one that says what another does, of few facts, is left out."""
    contexts: set[str] = set()
    for number in range(data.paragraphs):
        found = _paragraph(data, code, name, facts, number)
        if found[0].context not in contexts:
            contexts.add(found[0].context)
            yield found


def _paragraph(data: CldrQuestions, code: str, name: str, facts: list[_Fact], number: int) -> list[Question]:
    """The questions on one paragraph."""
    context, found = f"This is about {name}.", []
    for place in Stream(data.split_seed, "paragraph", code, number).permutation(len(facts)):
        fact = facts[int(place)]
        found.append((int(place), fact, len(context) + 1 + fact.sentence.index("{}")))
        context += f" {fact.sentence.format(fact.answer)}"
    return [
        Question(
            f"CLDR {code}-{number}-{place}",
            f"{code}-{number}-{place}",
            fact.question.format(name),
            context,
            (Answer(fact.answer, start),),
        )
        for place, fact, start in found
    ]


@read_records.register
def _read(data: CldrQuestions, split: Split, look: Look) -> HeldRecords:
    require_extra("babel", library="babel", extra="names", what="data of kind 'cldr_questions'")
    from babel import __version__

    paragraphs = [
        paragraph for territory in _facts(data.languages) for paragraph in _paragraphs(data, *territory)
    ]
    numbers = HeldOut(len(paragraphs), data).of(split)
    records = [question for place in range(len(numbers)) for question in paragraphs[numbers[place]]]
    if not records:
        raise InputError("data.evaluation_fraction 0 leaves no paragraph to evaluate on; raise it")
    size = sum(len(record.context.encode()) for record in records)
    about = f"CLDR's territories (babel {__version__})"
    return HeldRecords(records, about, size, look, libraries=("babel",))
