"""From a spec's name or file, and overrides, to a checked experiment; messages say file, line and path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from pydantic import ValidationError

from zoo_spec.errors import Problem, SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.models.base import Model
from zoo_spec.spec_files.explain import locate, spec_error
from zoo_spec.spec_files.extends import read_layers
from zoo_spec.spec_files.fields import class_at, default_kinds, spell_out_kinds, with_default_kinds
from zoo_spec.spec_files.flat_fields import check_slot_conflicts, replacement_notes
from zoo_spec.spec_files.merge import Layer, Origin, merge
from zoo_spec.spec_files.overrides import blocked, command_line_layer
from zoo_spec.spec_files.shipped import list_specs
from zoo_spec.values import Path, Value

__all__ = ["Resolved", "checked", "list_specs", "load_spec", "resolve", "spec_error", "validate"]

_NO_DECAY = ("training", "optimizer", "no_decay")


@dataclass(frozen=True)
class Resolved:
    """A spec's merged mapping, not yet validated, and where each of its values was written.

    ``sources`` names what was merged, the first inherited by the others. ``notes`` are sentences on inherited
    values that have no effect; ``conflicts``, slots given together with the flat fields that they replace.
    """

    spec_name: str
    mapping: dict[str, Value]
    origins: dict[Path, Origin]
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()
    conflicts: tuple[Problem, ...] = ()

    @property
    def layer(self) -> Layer:
        """Mapping and origins as one."""
        return Layer(self.mapping, self.origins)


def load_spec(name_or_path: str | PathLike[str], overrides: Sequence[str] = ()) -> ExperimentSpec:
    """The experiment that a shipped spec's name or a file stands for, with ``a.b=c`` overrides on top.

    Raises SpecError with everything that is wrong with it, its graph included.
    """
    return validate(resolve(name_or_path, overrides))


def resolve(name_or_path: str | PathLike[str], overrides: Sequence[str] = ()) -> Resolved:
    """The spec, all that it extends and all overrides, merged; raises SpecError where that cannot be done."""
    if isinstance(overrides, str):
        raise SpecError(f"overrides are a list of texts; write [{overrides!r}]")
    layers = read_layers(name_or_path)
    sources = [layer.origins[()].source for layer in layers]
    if overrides:
        layers.append(command_line_layer(overrides))
        sources.append("--set")
    merged = Layer()
    for index, given in enumerate(layers):
        layers[index] = layer = spell_out_kinds(ExperimentSpec, given, merged)
        problems = blocked(layer, merged) if sources[index] == "--set" else []
        if problems:
            raise SpecError(problems)
        merged = merge(merged, layer, default_kinds(ExperimentSpec, merged))
    family = class_at(ExperimentSpec, merged.mapping, ("model",))
    slots = family.slots if family is not None and issubclass(family, Model) else {}
    return Resolved(
        spec_name=str(merged.mapping["name"]),
        mapping=merged.mapping,
        origins=merged.origins,
        sources=tuple(sources),
        notes=tuple(replacement_notes(merged, slots)),
        conflicts=tuple(check_slot_conflicts(layers, slots)),
    )


def validate(resolved: Resolved) -> ExperimentSpec:
    """The experiment of a resolved mapping; raises SpecError with everything that is wrong with it."""
    return checked(resolved)[0]


def checked(resolved: Resolved) -> tuple[ExperimentSpec, Graph]:
    """The same, with the graph that it was checked by."""
    problems = list(resolved.conflicts)
    kinds = default_kinds(ExperimentSpec, resolved.layer)
    try:
        spec = ExperimentSpec.model_validate(with_default_kinds(resolved.mapping, kinds))
    except ValidationError as error:
        problems += spec_error(error, resolved.layer, ExperimentSpec).problems
    if problems:
        raise SpecError(problems)
    try:
        graph = spec.graph()
    except SpecError as error:
        raise locate(error, resolved.layer) from None
    if _NO_DECAY in resolved.origins:
        try:
            spec.training.optimizer.decay_mask({name: each.role for name, each, _ in graph.folded_parameters})
        except SpecError as error:
            raise SpecError(resolved.layer.problem(str(error), _NO_DECAY)) from None
    return spec, graph
