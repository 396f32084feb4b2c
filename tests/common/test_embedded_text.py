"""Labelled text out of Python itself: what is in it, and that no record is both learned and evaluated on."""

from __future__ import annotations

import unicodedata

import pytest

from zoo_common.data.records import open_records
from zoo_spec.data import PythonChapters, UnicodeNumbers, UnicodeProperties

KINDS = {
    "chapters": PythonChapters(labels=["data_model", "expressions", "statements", "types"]),
    "properties": UnicodeProperties(
        labels=["composed", "letter", "mark", "number", "right_to_left", "uppercase"]
    ),
    "numbers": UnicodeNumbers(),
}


def records(data, split="train"):
    found = open_records(data, split, lambda record: None)
    return [found[index] for index in range(len(found))]


def both(name):
    return [*records(KINDS[name]), *records(KINDS[name], "eval")]


@pytest.mark.parametrize("name", KINDS)
def test_no_text_is_both_learned_and_evaluated_on(name):
    train, held_out = (records(KINDS[name], split) for split in ("train", "eval"))
    texts = [record.texts for record in (*train, *held_out)]
    assert len(set(texts)) == len(texts)
    assert len(held_out) == round(len(texts) / 10)


def test_chapters_have_their_topics_sentences():
    found = records(KINDS["chapters"])
    assert {record.label for record in found} == set(KINDS["chapters"].labels)
    (record,) = [record for record in both("chapters") if "for an assert" in record.texts[0]]
    assert record.label == "statements"
    assert record.where.startswith("pydoc_data.topics['assert']")
    assert {record.label for record in records(PythonChapters())} == {"data_model", "statements"}
    with pytest.raises(ValueError, match="labels has 'novels', which is none of data_model"):
        PythonChapters(labels=["novels"])


def test_properties_are_those_of_unicode_by_the_characters_own_names():
    known = {record.texts[0]: set(record.labels) for record in both("properties")}
    assert len(known) == 12_886
    assert known["LATIN CAPITAL LETTER A WITH ACUTE"] == {"letter", "uppercase", "composed"}
    assert known["HEBREW LETTER ALEF"] == {"letter", "right_to_left"}
    assert known["COMBINING DIAERESIS"] == {"mark"}
    assert known["ROMAN NUMERAL FIVE"] == {"number"}
    assert known["FULL STOP"] == set()
    for name in ("LATIN SMALL LETTER E WITH GRAVE", "CYRILLIC SMALL LETTER SHORT I", "ARABIC LETTER BEH"):
        is_composed = unicodedata.normalize("NFD", unicodedata.lookup(name)) != unicodedata.lookup(name)
        assert ("composed" in known[name]) == is_composed


def test_numbers_are_what_their_names_say():
    known = {record.texts[0]: float(record.label) for record in both("numbers")}
    assert known["VULGAR FRACTION ONE HALF"] == 0.5
    assert known["DEVANAGARI DIGIT SEVEN"] == 7
    assert known["ROMAN NUMERAL TEN"] == 10
    assert min(known.values()) == 0
    assert max(known.values()) == 10
