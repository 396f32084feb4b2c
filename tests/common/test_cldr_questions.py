"""Questions that are made of CLDR's facts."""

from __future__ import annotations

import pytest

from zoo_common.data.records import open_records
from zoo_spec.data import CldrQuestions
from zoo_spec.errors import InputError


def asked(data, split):
    found = []
    records = open_records(data, split, found.append)
    assert len(records) == len(found)
    return found


def test_paragraphs_tell_cldrs_facts_in_a_drawn_order_and_are_asked_for_each():
    data = CldrQuestions(languages=("de", "pl"), paragraphs=2)
    of_france = [
        each for split in ("train", "eval") for each in asked(data, split) if "France" in each.question
    ]
    assert {each.question: each.answers[0].text for each in of_france} == {
        "How is France abbreviated?": "FR",
        "Which currency has France?": "Euro",
        "What is spoken in France?": "French",
        "What is France called in German?": "Frankreich",
        "What is France called in Polish?": "Francja",
    }
    assert len({each.context for each in of_france}) == 2
    for each in of_france:
        (answer,) = each.answers
        assert each.context[answer.start :].startswith(answer.text)


def test_a_paragraph_that_is_held_out_is_not_learned_from():
    data = CldrQuestions(evaluation_fraction=0.2)
    learned, held_out = (
        {each.id.rpartition("-")[0] for each in asked(data, split)} for split in ("train", "eval")
    )
    assert not learned & held_out
    assert len(held_out) == round(0.2 * (len(learned) + len(held_out)))
    assert len({each.id for each in asked(data, "train")}) == len(asked(data, "train"))


def test_nothing_to_evaluate_on_and_a_language_that_there_is_none_of_are_said():
    with pytest.raises(InputError, match="evaluation_fraction 0 leaves no paragraph"):
        asked(CldrQuestions(evaluation_fraction=0), "eval")
    with pytest.raises(InputError, match="CLDR has no language 'xx'"):
        asked(CldrQuestions(languages="xx"), "train")
