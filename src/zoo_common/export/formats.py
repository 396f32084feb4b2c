"""What a run can be exported as: programs, which backends write, and files of weights, which need no framework.

A backend lists its own in the file beside it (``exports`` in ``zoo_torch/backend.yaml``), so that a format tells its
framework while none is imported. Any class of ``FileFormat`` is one more, a plugin's too.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from zoo_common.export.programs import own_format
from zoo_common.weights import WeightSource
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import entries, frameworks
from zoo_spec.registry import Registered, classes


@dataclass(frozen=True)
class Trained:
    """What is exported: a spec, the weights of one step, and the files that a run keeps for those who predict.

    ``labels`` are the names of the task's labels, in the order of their ids, where they are known; ``published`` is
    the folder of the files that an imported run came with.
    """

    spec: ExperimentSpec
    weights: WeightSource
    beside: Mapping[str, bytes]
    step: int
    labels: tuple[str, ...] | None = None
    published: Path | None = None


@dataclass(frozen=True)
class Written:
    """The files that stand in the directory, and a line for each thing that does not."""

    files: tuple[str, ...]
    left_out: tuple[str, ...]


class FileFormat(Registered):
    """Files of weights in a form that others read; ``kind`` is what ``--format`` calls it."""

    role: ClassVar[str] = "export format"
    shipped_in: ClassVar[str] = "zoo_common.export.files"

    def needed(self, trained: Trained) -> int:
        """Bytes that it takes. Raises InputError, before anything is written, for what the format does not have."""
        raise TypeError(f"{type(self).__name__} writes nothing")

    def write(self, trained: Trained, directory: Path) -> Written:
        """Fill an empty directory, with one tensor in memory at a time; OSError where that fails."""
        raise TypeError(f"{type(self).__name__} writes nothing")


@dataclass(frozen=True)
class Program:
    """A format that a framework writes."""

    name: str
    framework: str


def choose(name: str | None, framework: str | None) -> Program | FileFormat:
    """What ``--format`` and ``--framework`` say together; a format of one framework alone needs only its name.

    Raises InputError for a name that there is not, for a framework that has not the format, and where both are
    left out or several frameworks have it.
    """
    if name is None:
        if framework is None:
            raise InputError(f"give a --format: {_listed()}")
        if framework not in entries():
            raise InputError(f"no framework {framework!r}; there are: {', '.join(entries())}")
        return Program(own_format(framework), framework)
    owners = [each for each, said in frameworks().items() if name in said.exports]
    if framework in owners or len(owners) == 1:
        if framework not in (None, *owners):
            raise InputError(
                f"--format {name} is written by {owners[0]} alone, and --framework says {framework}; leave one out"
            )
        return Program(name, framework or owners[0])
    if owners:
        raise InputError(f"--format {name}: {' and '.join(owners)} write it; say which by --framework")
    files = file_formats()
    if name in files:
        return files[name].model_validate({})
    if framework is not None:
        return Program(name, framework)  # A plugin's half may have taught it one.
    near = difflib.get_close_matches(name, _names(), n=1)
    raise InputError(
        f"no format {name!r}{''.join(f' (did you mean {each!r}?)' for each in near)}; there are: {_listed()}"
    )


def file_formats() -> dict[str, type[FileFormat]]:
    """The formats that need no framework, by name."""
    return cast(dict[str, type[FileFormat]], classes(FileFormat))


def _names() -> list[str]:
    return [*file_formats(), *(name for said in frameworks().values() for name in said.exports)]


def _listed() -> str:
    own = [f"{name} ({each})" for each, said in frameworks().items() for name in said.exports]
    return ", ".join([*file_formats(), *own])
