"""Labelled text out of Python itself: chapters of its manual, and the names of Unicode's characters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from unicodedata import ucd_3_2_0 as unicode

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, embedded_files, sources, vocabulary_sources
from zoo_common.data.records import Look, read_records
from zoo_common.data.sentences import split_sentences
from zoo_common.data.sources.held import HeldRecords
from zoo_common.data.sources.python_docs import manual, prose
from zoo_spec.data import PythonChapters, UnicodeNumbers, UnicodeProperties
from zoo_spec.data.records import LabelledText

# The topics of the manual by the chapter that they are printed in.
_CHAPTERS = {
    "data_model": "attribute-access callable-types customization numeric-types objects sequence-types specialattrs "
    "specialnames types",
    "expressions": "atom-identifiers atom-literals attribute-references await binary bitwise booleans calls "
    "comparisons conversions exprlists in lambda lists operator-summary power primaries shifting slicings "
    "subscriptions unary yield",
    "statements": "assert assignment augassign break class compound continue del for function global if import "
    "nonlocal pass raise return try while with",
    "types": "context-managers dict formatstrings string-methods truth typesfunctions typesmapping typesmethods "
    "typesmodules typesseq typesseq-mutable",
}
_CHAPTER_OF = {topic: chapter for chapter, topics in _CHAPTERS.items() for topic in topics.split()}
# These stand for thousands of characters each, which their names number through.
_NUMBERED = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HANGUL SYLLABLE")
_PROPERTIES: dict[str, Callable[[str], bool]] = {
    "composed": lambda sign: (
        len(unicode.decomposition(sign).split()) == 2 and not unicode.decomposition(sign).startswith("<")
    ),
    "letter": lambda sign: unicode.category(sign).startswith("L"),
    "lowercase": lambda sign: unicode.category(sign) == "Ll",
    "mark": lambda sign: unicode.category(sign).startswith("M"),
    "number": lambda sign: unicode.category(sign).startswith("N"),
    "right_to_left": lambda sign: unicode.bidirectional(sign) in ("R", "AL"),
    "symbol": lambda sign: unicode.category(sign).startswith("S"),
    "uppercase": lambda sign: unicode.category(sign) == "Lu",
}
_HIGHEST = 10


@read_records.register
def _chapters(data: PythonChapters, split: Split, look: Look) -> HeldRecords:
    # A sentence that stands in two places must not be learned and asked both, nor be of two chapters.
    found: dict[str, LabelledText | None] = {}
    seen: set[str] = set()
    for topic, content in sorted(manual().items()):
        chapter, paragraphs = _CHAPTER_OF.get(topic, ""), list(prose(content, seen))
        if chapter not in data.labels:
            continue
        sentences = (sentence for each in paragraphs for sentence in split_sentences(each))
        for number, text in enumerate(sentences, start=1):
            where = f"pydoc_data.topics[{topic!r}], sentence {number}"
            first = found.setdefault(text, LabelledText(where, (text,), chapter, (chapter,)))
            if first is not None and first.label != chapter:
                found[text] = None
    kept = [record for record in found.values() if record is not None]
    return _held(kept, "chapters of Python's manual (pydoc_data.topics of this Python)", look)


@read_records.register
def _properties(data: UnicodeProperties, split: Split, look: Look) -> HeldRecords:
    found = []
    for sign, name in _named():
        labels = tuple(label for label in data.labels if _PROPERTIES[label](sign))
        found.append(LabelledText(f"U+{ord(sign):04X}", (name,), ",".join(labels), labels))
    return _held(found, "names of Unicode 3.2 (unicodedata)", look)


@read_records.register
def _numbers(data: UnicodeNumbers, split: Split, look: Look) -> HeldRecords:
    found = []
    for sign, name in _named():
        number = unicode.numeric(sign, -1)
        if 0 <= number <= _HIGHEST:
            found.append(LabelledText(f"U+{ord(sign):04X}", (name,), f"{number:g}", (f"{number:g}",)))
    return _held(found, "numbers among the names of Unicode 3.2 (unicodedata)", look)


@cache
def _named() -> tuple[tuple[str, str], ...]:
    signs = ((sign, unicode.name(sign, "")) for sign in map(chr, range(sys.maxunicode + 1)))
    return tuple((sign, name) for sign, name in signs if name and not name.startswith(_NUMBERED))


def _held(records: list[LabelledText], source: str, look: Look) -> HeldRecords:
    size = sum(len(text.encode()) for record in records for text in record.texts)
    return HeldRecords(records, source, size, look, libraries=())


@sources.register
def _chapter_files(data: PythonChapters) -> list[Source]:
    return [*embedded_files("data", data.kind, "pydoc_data.topics"), *vocabulary_sources(data)]
