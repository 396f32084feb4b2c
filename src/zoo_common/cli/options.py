"""The options that commands share, and the form of the examples in their help."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from zoo_common.training.origin import Accepted

SpecOption = Annotated[
    str, typer.Option("--spec", metavar="NAME|FILE", help="A shipped spec's name (zoo list), or a YAML file.")
]
_SPECS = typer.Option(
    "--spec",
    metavar="NAME|FILE|FOLDER",
    help="A shipped spec's name, a YAML file, or a folder of them; may be repeated.",
)
SpecsOption = Annotated[list[str], _SPECS]
MaybeSpecsOption = Annotated[list[str] | None, _SPECS]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value of the spec; may be repeated."),
]
# Not by zoo_spec.frameworks, which takes longer to import than the help to print.
_FRAMEWORKS = "|".join(sorted({entry.name for entry in entry_points(group="zoo.backends")})) or "NAME"
_FRAMEWORK = typer.Option("--framework", metavar=_FRAMEWORKS, help="The framework.")
FrameworkOption = Annotated[str, _FRAMEWORK]
MaybeFrameworkOption = Annotated[str | None, _FRAMEWORK]
FrameworksOption = Annotated[
    list[str] | None,
    typer.Option("--framework", metavar=_FRAMEWORKS, help="One of two to compare; given twice."),
]
DataOption = Annotated[bool, typer.Option("--data/--no-data", help="Open the data, or leave it out.")]
JUnitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML too.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")
]
RunDirOption = Annotated[
    Path | None,
    typer.Option(
        "--run-dir", metavar="DIR", help="The run's directory.", parser=lambda text: directory(text)
    ),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="WHAT",
        help="What may differ from what the run was so far: training, data; may be repeated.",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|gpu|mps", help="What to compute on.")
]


def directory(text: str | Path) -> Path:
    """The path; refuses the empty text that an unset shell variable leaves, which would be the current directory."""
    if not str(text).strip():
        raise typer.BadParameter("it is empty; give a path")
    return Path(text)


def two(given: list[str] | None) -> list[str] | None:
    """The two frameworks that are named, or None if none is; refuses another number, and one against itself."""
    if given and (len(given) != 2 or given[0] == given[1]):
        raise typer.BadParameter(
            f"{', '.join(given)}; give it twice, for two frameworks, or leave it out",
            param_hint="--framework",
        )
    return given or None


def refuse(given: Mapping[str, object], belongs_to: str, reason: str) -> None:
    """Raise InputError if any of these options was given, which go with another one."""
    from zoo_spec.errors import InputError

    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise InputError(f"{', '.join(wrong)} goes with {belongs_to}; {reason}")


def require_framework(name: str) -> None:
    """Raise InputError for a framework that there is no half for, installed or not."""
    from zoo_common.backend import backends
    from zoo_spec.errors import InputError

    if name not in backends():
        raise InputError(f"no framework {name!r}; there are: {', '.join(backends())}")


def accepted(given: list[str] | None) -> tuple[Accepted, ...]:
    """What ``--accept`` names; refuses anything else."""
    from zoo_common.training.origin import ACCEPTED

    wrong = [each for each in given or () if each not in ACCEPTED]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r}; give one of {', '.join(ACCEPTED)}", param_hint="--accept")
    return tuple(each for each in ACCEPTED if each in (given or ()))


def example(*lines: str) -> str:
    """A help text's last paragraph, its lines kept as they are (that is what the first character says)."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])
