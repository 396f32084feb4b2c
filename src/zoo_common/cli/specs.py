"""What ``--spec`` stands for where a command checks specs: names, files and folders, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydantic import JsonValue

    from zoo_common.report.junit import Case
    from zoo_spec.errors import ZooError

_T = TypeVar("_T")
_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Specs:
    """The specs asked for, each once, in order; ``listed``: the answer is a list, however many they are."""

    names: tuple[str, ...]
    listed: bool


@dataclass(frozen=True)
class Refused:
    """A spec that could not be checked, and why; the others are checked all the same."""

    spec: str
    error: ZooError

    @property
    def exit_status(self) -> int:
        """What the command ends with if nothing is worse."""
        return self.error.exit_status

    def case(self, name: str) -> Case:
        """A failed test case, which stands for all that were never come to."""
        from zoo_common.report.junit import Case

        told = str(self.error)
        return Case(name, told.splitlines()[0], told)

    def as_json(self) -> dict[str, JsonValue]:
        """``error`` as a whole, and where it is of a spec file, each of its ``problems``."""
        from zoo_spec.errors import SpecError

        problems = self.error.problems if isinstance(self.error, SpecError) else ()
        return {
            "error": str(self.error),
            "problems": [
                {"file": each.file, "line": each.line, "path": each.path, "message": each.message}
                for each in problems
            ],
        }


def specs_of(given: Sequence[str]) -> Specs:
    """Each ``--spec``, and in place of a folder every YAML file in it and below, hidden ones left out.

    One ``--spec`` that is no folder is asked about alone. Raises InputError for a folder without such files.
    """
    from zoo_spec import list_specs
    from zoo_spec.errors import InputError

    shipped, found, folders = set(list_specs()), dict[str, str](), 0
    for name in given:
        if name in shipped or not os.path.isdir(name):
            found.setdefault(name if name in shipped else os.path.realpath(name), name)
            continue
        folders += 1
        inside = sorted(_files(name))
        if not inside:
            raise InputError(f"{name}: no spec file in this folder; they end in {' or '.join(_ENDINGS)}")
        for path in inside:
            found.setdefault(os.path.realpath(path), path)
    return Specs(tuple(found.values()), listed=len(given) > 1 or folders > 0)


def each(specs: Specs, check: Callable[[str], _T]) -> Iterator[tuple[str, _T | Refused]]:
    """Each spec and what ``check`` gives for it; one that it refuses is said at once, and does not end the rest."""
    from zoo_spec.errors import ZooError

    for name in specs.names:
        try:
            yield name, check(name)
        except ZooError as error:
            print(error, file=sys.stderr)
            yield name, Refused(name, error)


def print_documents(documents: Mapping[str, Mapping[str, JsonValue]], *, listed: bool) -> None:
    """The one document as it is, or a list of all, each with the ``source`` that it is of: the name or the file."""
    from zoo_common.cli.output import print_json

    if listed:
        print_json([{"source": source, **document} for source, document in documents.items()])
    else:
        for document in documents.values():
            print_json(document)


def worst(statuses: Sequence[int]) -> int:
    """The exit status of several checks: 3 before 2, 2 before 1, 0 if all went well."""
    return max(statuses, default=0)


def _files(folder: str) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield str(Path(root, name))
