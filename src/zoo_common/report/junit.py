"""Results as JUnit XML, which continuous integration shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from zoo_common.files import explained, write_atomically
from zoo_common.screen import visible


@dataclass(frozen=True)
class Case:
    """One thing that was checked; ``failure`` is empty where it held, and ``detail`` is its text."""

    name: str
    failure: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Suite:
    """The cases of one subject."""

    name: str
    cases: tuple[Case, ...]


def write_junit(suites: Sequence[Suite], path: Path, *, listed: bool) -> None:
    """One suite as the document itself, or a list of them.

    Raises EnvironmentFault or InputError if the file cannot be written.
    """
    made = [_suite(suite) for suite in suites]
    if listed:
        root = ElementTree.Element("testsuites", _counts([case for suite in suites for case in suite.cases]))
        root.extend(made)
    else:
        (root,) = made
    with explained("write", path):
        write_atomically(path, ElementTree.tostring(root, encoding="unicode", xml_declaration=True))


def _suite(suite: Suite) -> ElementTree.Element:
    element = ElementTree.Element("testsuite", {"name": visible(suite.name), **_counts(suite.cases)})
    for case in suite.cases:
        shown = ElementTree.SubElement(
            element, "testcase", classname=visible(suite.name), name=visible(case.name)
        )
        if case.failure:
            ElementTree.SubElement(shown, "failure", message=visible(case.failure)).text = visible(
                case.detail
            )
    return element


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    return {"tests": str(len(cases)), "failures": str(sum(bool(case.failure) for case in cases))}
