"""Reads spec files: YAML 1.2 (yaml.org/spec/1.2.2, core schema) into plain values with a line number each.

PyYAML only scans and parses, by libyaml where it is there. Its own construction reads YAML 1.1, in which
``1e-5`` is a string and ``no`` is false, so the few lines that make values out of events are here. What
makes a file mean more than it says (anchors, aliases, merge keys, tags, duplicate keys) is refused.
Time and memory are bounded by the file's size, and nesting is refused while events still arrive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import NoReturn

import yaml

from zoo_spec.errors import Problem, SpecError
from zoo_spec.reading import UnreadableFileError, reading
from zoo_spec.reading import read_file as read_bytes
from zoo_spec.values import Path, Value, quoted, shorten, type_name

MAX_BYTES = 1_000_000
MAX_NESTING = 64
MAX_VALUES = 20_000
"""Of a file: more than any spec has, and what is checked in the moment that a user waits for."""

_MAX_PROBLEMS = 20
_TOO_DEEP = f"nested deeper than {MAX_NESTING} levels"
_LOADER = getattr(yaml, "CLoader", yaml.Loader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COMMENT = re.compile(r"(^|\s)#.*")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_HINTS = {
    "mapping values are not allowed": "a text with ': ' in it needs quotes, or the indentation is off",
    "could not find expected ':'": "a key without ': ' after it",
    "did not find expected key": "the indentation is off, or a bracket or a quote is not closed",
    "expected <block end>": "the indentation is off, or a bracket or a quote is not closed",
    "cannot start any token": "a text that begins with such a character needs quotes",
    "unexpected end of stream": "a quote or a bracket is not closed",
}


@dataclass(frozen=True)
class Document:
    """A value read from YAML, and the line (from 1) on which each of its parts stands."""

    value: Value
    lines: dict[Path, int]


def read_file(path: FilePath, name: str) -> tuple[dict[str, Value], dict[Path, int]]:
    """The mapping that a spec file holds, and its lines; messages call the file ``name``."""
    try:
        data = read_bytes(path, most=MAX_BYTES, remedy="no spec is as long")
    except UnreadableFileError as error:
        raise SpecError(Problem(error.reason, file=name)) from None
    return read_mapping(_decode(data, name), name)


def read_mapping(text: str, name: str) -> tuple[dict[str, Value], dict[Path, int]]:
    """The mapping at the top of ``text``; anything else there is an error."""
    document = read_text(text, name)
    if document is None:
        raise SpecError(
            Problem("the file is empty; a spec is a mapping such as 'extends: NAME'", file=name, line=1)
        )
    if not isinstance(document.value, dict):
        found = f"the file holds {type_name(document.value)}; a mapping of 'key: value' lines is expected"
        raise SpecError(Problem(found, file=name, line=document.lines[()]))
    return document.value, document.lines


def read_text(text: str, name: str) -> Document | None:
    """The one document in ``text``, or None where there is none; raises SpecError with all its problems."""
    _refuse_odd_characters(text, name)
    composer = _Composer(yaml.parse(text, Loader=_LOADER), name)
    try:
        with reading(name, "the YAML reader", remedy="write it as YAML"):
            return _composed(composer)
    except UnreadableFileError as error:
        raise SpecError(Problem(error.reason, file=name)) from None


def _composed(composer: _Composer) -> Document | None:
    try:
        return composer.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        if "nesting" in str(error.problem):  # libyaml looks further ahead than it has given events.
            composer.fatal(_TOO_DEEP, line)
        hint = next((hint for part, hint in _HINTS.items() if part in str(error.problem)), "")
        message = f"bad YAML: {error.problem or error.context}" + (f" ({hint})" if hint else "")
        composer.fatal(message, line)
    except yaml.YAMLError as error:
        composer.fatal(f"bad YAML: {error}", None)
    return None


def scalar(text: str) -> str | int | float | bool | None:
    """A plain scalar's value by YAML 1.2's core schema; raises ValueError for an integer beyond 64 bits."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        # Python itself refuses to read more than 4,300 digits, in words that help nobody.
        number = int(text, base=0 if text[:2] in ("0o", "0x") else 10) if len(text) < 100 else 2**65
        if not -(2**63) <= number < 2**64:
            raise ValueError(f"{shorten(text)} does not fit in 64 bits")
        return number
    return float(text) if _FLOAT.fullmatch(text) else text


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = (
            f"not UTF-8: the byte 0x{data[error.start]:02x} at offset {error.start}; save the file as UTF-8"
        )
        raise SpecError(Problem(message, file=name, line=line)) from None


def _refuse_odd_characters(text: str, name: str) -> None:
    """Tabs and control characters; the two parsers behind PyYAML differ on them, so neither sees any."""
    odd = _UNPRINTABLE.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        if "\ud800" <= odd[0] <= "\udfff":  # So Python has what a shell gave that is no UTF-8.
            message = (
                "a character that is no UTF-8; a spec is UTF-8, so give a file that it names another name"
            )
        else:
            character = f"the control character U+{ord(odd[0]):04X}"
            message = f"{character} is not allowed; write it as an escape in double quotes"
        raise SpecError(Problem(message, file=name, line=line))
    if "\t" in text:
        message = 'a tab is not allowed; YAML is laid out with spaces (in a text, write it as "\\t")'
        problems = [
            Problem(message, file=name, line=number)
            for number, line in enumerate(text.split("\n"), start=1)
            if "\t" in line and "\t" in _COMMENT.sub("", line)
        ]
        if problems:
            raise SpecError(problems[:_MAX_PROBLEMS])


@dataclass
class _Composer:
    """Makes values of events; collects what is wrong and goes on, for as long as the syntax holds."""

    events: Iterator[yaml.Event]
    name: str
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def document(self) -> Document | None:
        """The only document of the stream."""
        document = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if document:
                    self.fatal("a second document begins here; a spec file holds one", _line(event))
                self._directives(event)
                document = Document(self.node(next(self.events), (), 0), self.lines)
        if self.problems:
            raise SpecError(self.problems)
        return document

    def node(self, event: yaml.Event, path: Path, depth: int) -> Value:
        """The value that begins with ``event``."""
        self.lines.setdefault(path, _line(event))
        if len(self.lines) > MAX_VALUES:
            self.fatal(f"more than {MAX_VALUES:,} values; no spec has as many", _line(event))
        if isinstance(event, yaml.AliasEvent):
            self.refuse(f"the alias *{event.anchor}", event)
            return None
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if not isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            raise TypeError(f"a parser gave {event} where a value begins")
        self.decorations(event)
        if depth == MAX_NESTING:
            self.fatal(_TOO_DEEP, _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path, depth)
        return self.sequence(path, depth)

    def mapping(self, path: Path, depth: int) -> dict[str, Value]:
        """The pairs up to the end of the mapping."""
        result: dict[str, Value] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path, depth)
            place = (*path, key)
            if key in result:
                first = self.lines[place]
                self.problem(f"the key {quoted(key)} a second time; its first is on line {first}", event)
                place = (*path, key, "second")  # Its parts' lines must not stand in for the first one's.
            self.lines[place] = _line(event)
            value = self.node(next(self.events), place, depth + 1)
            result.setdefault(key, value)
        return result

    def sequence(self, path: Path, depth: int) -> tuple[Value, ...]:
        """The items up to the end of the sequence."""
        items: list[Value] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items)), depth + 1))
        return tuple(items)

    def key(self, event: yaml.Event, path: Path, depth: int) -> str:
        """A mapping's key, which must be a text."""
        if not isinstance(event, yaml.ScalarEvent):
            found = self.node(event, (*path, ""), depth + 1)
            if not isinstance(event, yaml.AliasEvent):
                self.problem(f"a key that is {type_name(found)}; keys are texts", event)
            return f"line {_line(event)}"
        if event.value == "<<" and not event.style:
            self.refuse("the merge key <<", event)
        found = self.scalar(event)
        if not isinstance(found, str):
            what = "an empty key" if event.value == "" else f"the key {event.value} is {type_name(found)}"
            self.problem(f"{what}; keys are texts (put it in quotes)", event)
        return str(event.value)

    def scalar(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        """The scalar's value: a text if it is quoted or a block, else by the core schema."""
        self.decorations(event)
        if event.style:
            return str(event.value)
        try:
            return scalar(event.value)
        except ValueError as error:
            self.problem(str(error), event)
            return 0

    def decorations(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        """Anchors make a file mean more than it says; types are the spec classes' part, not a tag's."""
        if event.anchor is not None:
            self.refuse(f"the anchor &{event.anchor}", event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(f"the tag {shorten(tag)} is not allowed; leave it out", event)

    def _directives(self, event: yaml.DocumentStartEvent) -> None:
        if event.tags:
            self.problem("a %TAG directive is not allowed; spec files have no tags", event)
        if event.version not in (None, (1, 2)):
            self.problem("a %YAML directive other than 1.2; spec files are read as YAML 1.2", event)

    def refuse(self, what: str, event: yaml.Event) -> None:
        """Notes a shorthand for what can be written out."""
        message = f"{shorten(what)} is not allowed; write the values out, or use 'extends'"
        self.problem(message, event)

    def problem(self, message: str, event: yaml.Event) -> None:
        """Notes one thing wrong; a file with very many is not read to its end."""
        self.problems.append(Problem(message, file=self.name, line=_line(event)))
        if len(self.problems) == _MAX_PROBLEMS:
            raise SpecError(self.problems)

    def fatal(self, message: str, line: int | None) -> NoReturn:
        """Stops at something after which the rest has no meaning."""
        raise SpecError([*self.problems, Problem(message, file=self.name, line=line)])


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else int(mark.line) + 1
