"""Text cut into words, each with its place: for files and questions that come as text and not as words."""

from __future__ import annotations

import re
import unicodedata

from zoo_spec.data.labelled_words import WordCut

Span = tuple[int, int]
"""The first character and the one after the last."""

_CHUNK = re.compile(r"\S+")
_ENDING = re.compile(r"(?:['’](?:s|m|d|ll|re|ve)|n['’]t)\Z", re.IGNORECASE)
_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.)+\Z")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_IDEOGRAPHS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ALONE = re.compile(r"--+|[–—…]|\.\.\.+|" + _IDEOGRAPHS.pattern)


def cut_words(text: str, how: WordCut) -> list[Span]:
    """The words of a text in their order, without white space; ``how`` as in ``zoo_spec.data.LabelledWordsData``."""
    found: list[Span] = []
    for chunk in _CHUNK.finditer(text):
        if how == "punctuation":
            found += _runs(text, chunk.start(), chunk.end())
        else:
            found += _apart(text, chunk.start(), chunk.end())
    return found


def _runs(text: str, begin: int, end: int) -> list[Span]:
    """Runs of letters, marks and digits; whatever else, and each ideograph, stands by itself."""
    found, start = list[Span](), begin
    for place in range(begin, end):
        character = text[place]
        if unicodedata.category(character)[0] in "LMN" and not _IDEOGRAPHS.match(character):
            continue
        found += [(start, place)] * (start < place) + [(place, place + 1)]
        start = place + 1
    return found + [(start, end)] * (start < end)


def _apart(text: str, begin: int, end: int) -> list[Span]:
    """Dashes, dots of an omission and ideographs by themselves, and the words between them."""
    found, start = list[Span](), begin
    for match in _ALONE.finditer(text, begin, end):
        found += [*_outer(text, start, match.start()), match.span()]
        start = match.end()
    return found + _outer(text, start, end)


def _outer(text: str, begin: int, end: int) -> list[Span]:
    """A word and the punctuation at its ends, each sign by itself; brackets that are open and shut in it stay."""
    if begin == end:
        return []
    before: list[Span] = []
    after: list[Span] = []
    while begin < end - 1 and _is_sign(text[begin]):
        before.append((begin, begin + 1))
        begin += 1
    while begin < end - 1 and _ends(text, begin, end):
        after.insert(0, (end - 1, end))
        end -= 1
    ending = _ENDING.search(text, begin, end)
    if ending is not None and ending.start() > begin:
        return [*before, (begin, ending.start()), ending.span(), *after]
    return [*before, (begin, end), *after]


def _is_sign(character: str) -> bool:
    return (unicodedata.category(character)[0] == "P" and character not in "_@#&") or character in "$£€¥`"


def _ends(text: str, begin: int, end: int) -> bool:
    """Whether the last character is punctuation that does not belong to the word."""
    last = text[end - 1]
    if last in _PAIRS:
        return text.count(_PAIRS[last], begin, end) < text.count(last, begin, end)
    if last == "." and _ABBREVIATION.match(text, begin, end):
        return False
    return last in "%" or (unicodedata.category(last)[0] == "P" and last not in "_")
