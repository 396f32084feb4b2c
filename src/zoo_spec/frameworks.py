"""What a backend says of its framework, in a file that is read where the framework itself is not imported.

A backend is an entry point of the group ``zoo.backends``. Beside the module that it names stands a YAML file of
the same name (``zoo_torch/backend.py`` and ``zoo_torch/backend.yaml``) with the fields of ``Framework``. Whoever
leaves the file out, or a field, says nothing of it, and the defaults hold.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from zoo_spec.base import NonNegativeFloat, NonNegativeInt, Spec
from zoo_spec.errors import EnvironmentFault, InputError, Problem, SpecError
from zoo_spec.plugins import warn
from zoo_spec.reading import printable
from zoo_spec.values import dotted
from zoo_spec.yaml_reader import read_file

GROUP = "zoo.backends"


class Overhead(Spec):
    """What a framework takes of memory beside what the graph tells."""

    library: NonNegativeInt
    """Bytes before any model."""
    working: NonNegativeFloat
    """What comes and goes in a step, as a share of the activations."""
    largest: NonNegativeInt
    """The same as a number of copies of the largest parameter, whose gradient is put together and squared."""
    streamed: NonNegativeInt
    """The same of the largest that stays in memory where layers' weights are streamed, and updates go by pieces."""
    sums: bool
    """Whether micro-batches' gradients add up beside those of the latest."""
    keeps: bool
    """Whether what a step has let go of still counts while a checkpoint is saved."""
    spares: bool = False
    """Whether training computes the logits of a large vocabulary in parts, and never has all of them."""


class Reserved(Spec):
    """Names that nodes of a graph cannot have, because the framework has taken them."""

    why: str
    """What such a name is: ``an attribute that every torch.nn.Module has``."""
    names: tuple[str, ...]


class Framework(Spec):
    """What is known of a framework without importing it."""

    title: str = ""
    """What people call it; the entry point's name if left out."""
    compile: str = ""
    """The Python function that makes a spec its native model, as messages name it."""
    runner: str = ""
    """The Python class that trains on a user's own batches, as messages name it."""
    compared: bool = False
    """Whether ``zoo parity`` and ``zoo demo`` take it where no framework is named."""
    overhead: Overhead | None = None
    """Left out, memory is counted as for the framework that needs most."""
    reserved: Reserved | None = None
    """Left out, it has taken no name."""
    blocks: tuple[str, ...] | None = None
    """The kinds of blocks that it has halves of; left out, all that ship."""

    shards: bool = False
    """Whether it divides a model over replicas, for ``training.sharding``."""
    compiles: str = ""
    """What ``training.compile: auto`` does with it, in words; left out, nothing can be compiled."""
    exports: tuple[str, ...] = ()
    """What ``zoo export --format`` calls the programs that it writes; the first is written where none is named."""

    def computes(self, kinds: Collection[str]) -> bool:
        """Whether it has halves of all these kinds of blocks."""
        return self.blocks is None or set(kinds) <= set(self.blocks)


def entries() -> dict[str, EntryPoint]:
    """The backends' entry points by name, sorted; of two of one name, the first installed."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def frameworks() -> dict[str, Framework]:
    """What every backend says, by its name, in the order of the titles; one whose file will not do says nothing.

    A warning has the line, once.
    """
    found = {}
    for name, entry in entries().items():
        try:
            found[name] = _said(entry)
        except EnvironmentFault as error:
            warn(str(error))
            found[name] = Framework(title=name)
    return dict(sorted(found.items(), key=lambda item: item[1].title))


def framework(name: str) -> Framework:
    """What the backend of this name says; nothing, for a name that no backend has.

    Raises EnvironmentFault if its file will not do.
    """
    entry = entries().get(name)
    return Framework(title=name) if entry is None else _said(entry)


@cache
def overhead_of(name: str | None) -> Overhead:
    """What this framework takes of memory; of one that says nothing, or is not known, the most that any takes."""
    said = {other: each.overhead for other, each in frameworks().items() if each.overhead is not None}
    if name in said:
        return said[name]
    others = said.values()
    return Overhead(
        library=max((each.library for each in others), default=0),
        working=max((each.working for each in others), default=0.0),
        largest=max((each.largest for each in others), default=0),
        streamed=max((each.streamed for each in others), default=0),
        sums=any(each.sums for each in others),
        keeps=any(each.keeps for each in others),
        spares=all(each.spares for each in others),
    )


def compared() -> list[str]:
    """The backends that are held against each other where none is named, by title."""
    return [name for name, each in frameworks().items() if each.compared]


def two_of(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if they are two; raises EnvironmentFault for fewer, and InputError for more."""
    if len(names) < 2:
        raise EnvironmentFault(f"it takes two frameworks to compare; there is {', '.join(names) or 'none'}")
    if len(names) > 2:
        raise InputError(f"two frameworks are compared, not {', '.join(names)}; name two of them")
    return tuple(names)


def compilers() -> str:
    """``zoo_torch.compile, zoo_tf.compile``, for messages."""
    return ", ".join(each.compile for each in frameworks().values() if each.compile)


def runners() -> str:
    """``zoo_torch.Runner or zoo_tf.Estimator``, for messages."""
    return " or ".join(each.runner for each in frameworks().values() if each.runner)


def _said(entry: EntryPoint) -> Framework:
    try:
        return _read(entry.name, _file_beside(entry.module))
    except SpecError as error:
        why = " ".join(str(error).splitlines())
        raise EnvironmentFault(
            f"what the backend {printable(entry.name)} says of its framework will not do: {why}; mend or uninstall it"
        ) from None


@cache
def _read(name: str, file: Path | None) -> Framework:
    if file is None:
        return Framework(title=name)
    mapping, lines = read_file(file, str(file))
    mapping.setdefault("title", name)
    try:
        return Framework.model_validate(mapping)
    except ValidationError as error:
        raise SpecError(
            [
                Problem(each["msg"], dotted(each["loc"]), str(file), lines.get(each["loc"][:1]))
                for each in error.errors(include_url=False)
            ]
        ) from None


def _file_beside(module: str) -> Path | None:
    """The YAML file beside a module, which is found without being imported; None if there is none."""
    top, *rest = module.split(".")
    try:
        found = find_spec(top)
    except (ImportError, ValueError):  # ValueError: it is loaded, and hides where from.
        return None
    places = _folders(found, rest) if found is not None else ()
    return next((file for file in places if file.is_file()), None)


def _folders(found: ModuleSpec, rest: list[str]) -> list[Path]:
    if rest:
        return [Path(folder, *rest).with_suffix(".yaml") for folder in found.submodule_search_locations or ()]
    return [Path(found.origin).with_suffix(".yaml")] if found.has_location and found.origin else []
