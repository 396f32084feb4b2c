"""What somebody published, told apart: whose it is, what its configuration says, and its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from zoo_common.containers import Container
from zoo_common.published.place import Place
from zoo_common.published.tokenizers import Tokenizer
from zoo_common.weights import WeightSource
from zoo_spec.errors import InputError
from zoo_spec.foreign.config import Config, ConfigTable, Reading
from zoo_spec.models.base import Model
from zoo_spec.reading import printable
from zoo_spec.registry import classes
from zoo_spec.values import Value

_SHOWN = 20
ReadTokenizer: TypeAlias = Callable[[Path, int], tuple[Tokenizer | None, list[str]]]
"""A folder's tokenizer for so many rows, None where it has none, and what is to be said of it."""


@dataclass(frozen=True)
class Published:
    """Weights of a family, as a source gives them.

    ``source`` is the name of the tables of names and of the configuration (``Model.foreign_names``,
    ``Model.foreign_configs``); ``config`` is what the latter reads, of ``config_from``, as messages call it.
    ``classes`` are the source's own classes that they were saved from, if it says. ``files`` are those
    that ``tensors`` reads. ``folder`` is where a tokenizer may stand. ``notes`` are sentences for the report.
    ``tokenizer`` reads one of the folder, beside so many rows, where the source has files of its own for it.
    """

    source: str
    family: type[Model]
    config: Config
    config_from: str
    tensors: WeightSource
    files: tuple[Path, ...]
    folder: Path
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tokenizer: ReadTokenizer | None = None

    @property
    def table(self) -> ConfigTable:
        """The family's configuration in this source."""
        return self.family.foreign_configs()[self.source]

    def read(self, task: str | None = None) -> Reading:
        """What the configuration says, read for a kind of task; InputError, naming it, with all that is refused."""
        try:
            return self.table.read(self.config, task=task)
        except InputError as error:
            raise InputError(f"{self.config_from}: {error}") from None


Recogniser: TypeAlias = Callable[[Place], Published | None]
"""What is at a place, if it is of a source; InputError where it is, and cannot be read."""


def of_no_tensors(container: Container) -> tuple[str, ...]:
    """What is to be said of things that stand among a file's tensors, and are none."""
    names = container.not_tensors
    shown = ", ".join(map(printable, names[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (f"no tensors, and left: {shown}{more}",) if names else ()


def families_in(source: str) -> dict[str, type[Model]]:
    """The families whose configuration a source has, by what it calls them."""
    found: dict[str, type[Model]] = {}
    for cls in classes(Model).values():
        if issubclass(cls, Model) and "foreign_configs" in vars(cls):
            table = cls.foreign_configs().get(source)
            if table is not None:
                found[table.model_type] = cls
    return found


def unknown_type(said: object, where: str, source: str) -> InputError:
    """The error for a family that nobody here has."""
    known = ", ".join(sorted(families_in(source)))
    return InputError(f"{where}: model_type is {said!r}, and those that are read are {known}")


def as_values(value: JsonValue | Mapping[str, JsonValue]) -> Value:
    """Plain values as specs have them, whose lists are tuples."""
    if isinstance(value, Mapping):
        return {key: as_values(each) for key, each in value.items()}
    return tuple(as_values(each) for each in value) if isinstance(value, list) else value
