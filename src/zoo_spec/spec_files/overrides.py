"""``--set a.b=c`` from the command line, read into one layer; its values are YAML, its paths dotted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from zoo_spec.errors import Problem, SpecError
from zoo_spec.spec_files.merge import Layer, Origin
from zoo_spec.values import Path, Value, dotted, is_a, shorten
from zoo_spec.yaml_reader import MAX_NESTING, read_text

_NAME = re.compile(r"[^\s.=\[\]]+")


def command_line_layer(overrides: Sequence[str]) -> Layer:
    """All overrides as one layer; raises SpecError with everything that is wrong with any of them."""
    tree = _Tree()
    for text in overrides:
        try:
            path, value = parse(text)
            tree.add(path, value, text)
        except SpecError as error:
            tree.problems += error.problems
    if tree.problems:
        raise SpecError(tree.problems)
    return tree.layer


def parse(text: str) -> tuple[tuple[str, ...], Value]:
    """The path and the value of ``a.b=c``."""
    key, equals, written = text.partition("=")
    if not equals:
        _refuse(text, "no '=' in it; write PATH=VALUE, such as model.num_layers=3")
    names = tuple(key.split("."))
    if not all(_NAME.fullmatch(name) for name in names):
        _refuse(text, f"{shorten(key)!r} is no path; write names with dots between, such as model.num_layers")
    if names == ("extends",):
        _refuse(text, "'extends' belongs in a file; choose the spec itself by --spec")
    if len(names) > MAX_NESTING:
        _refuse(text, f"a path of more than {MAX_NESTING} names")
    return names, _value(text, written)


def blocked(layer: Layer, inherited: Layer) -> list[Problem]:
    """Overrides whose path leads through something that is no mapping in what they are laid over."""
    problems = []

    def visit(over: dict[str, Value], below: dict[str, Value], path: Path) -> None:
        if "kind" in over and over["kind"] != below.get("kind"):
            return  # What is there is replaced, so nothing of it stands in the way.
        for key, value in over.items():
            place, found = (*path, key), below.get(key)
            if isinstance(value, dict) and isinstance(found, dict):
                visit(value, found, place)
            elif isinstance(value, dict) and found is not None:
                where = inherited.origin(place)
                message = f"{is_a(found)} ({where}); nothing can be set below it"
                problems.append(layer.problem(message, place))

    visit(layer.mapping, inherited.mapping, ())
    return problems


def _value(text: str, written: str) -> Value:
    try:
        document = read_text(written, "")
    except SpecError as error:
        found = "; ".join(problem.message for problem in error.problems)
        _refuse(text, f"the value cannot be read: {found}")
    if document is None or not written.strip():
        _refuse(text, "nothing after '='; write null for no value, or \"\" for an empty text")
    flow = written.lstrip()[0] in "[{\"'"
    if isinstance(document.value, dict | tuple) and not flow:
        _refuse(text, "write a mapping as {key: value} and a list as [first, second]")
    if not flow and re.search(r"(^|\s)#", written):
        _refuse(text, "what follows '#' would be lost as a comment; put the value in quotes")
    return document.value


def _refuse(text: str, message: str) -> NoReturn:
    raise SpecError(Problem(message, file=_source(text)))


def _source(text: str) -> str:
    return f"--set {shorten(text)}"


@dataclass
class _Tree:
    """The overrides' values grown together, each leaf given once."""

    layer: Layer = field(default_factory=Layer)
    leaves: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: tuple[str, ...], value: Value, text: str) -> None:
        """Puts the value in, key by key if it is a mapping."""
        origin = Origin(_source(text))
        place = self.layer.mapping
        self.layer.origins.setdefault((), origin)
        for length, name in enumerate(path[:-1], start=1):
            below = place.setdefault(name, {})
            self.layer.origins.setdefault(path[:length], origin)
            if not isinstance(below, dict):
                return self._clash(path[:length], path, text)
            place = below
        self.layer.origins.setdefault(path, origin)
        if isinstance(value, dict) and (value or isinstance(place.get(path[-1]), dict)):
            if not isinstance(place.setdefault(path[-1], {}), dict):
                return self._clash(path, path, text)
            for key, item in value.items():
                self.add((*path, key), item, text)
        elif path[-1] in place:
            self._clash(path, path, text)
        else:
            place[path[-1]] = value
            self.leaves[path] = text
        return None

    def _clash(self, at: Path, path: Path, text: str) -> None:
        other = self.leaves.get(at) or next(
            leaf for place, leaf in self.leaves.items() if place[: len(at)] == at
        )
        if at == path and at in self.leaves:
            message = f"given a second time; the first is '{_source(other)}'"
        elif at in self.leaves:
            message = (
                f"'{_source(other)}' sets it to a value, so nothing can be set below it; "
                f"if that is a kind, set {dotted(at)}.kind"
            )
        else:
            message = f"'{_source(other)}' sets something below it; if this is a kind, set {dotted(at)}.kind"
        self.problems.append(Problem(message, dotted(at), _source(text)))
