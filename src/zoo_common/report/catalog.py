"""The shipped specs as a list: what each is for, and what its family states of itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from zoo_spec.errors import SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import Framework, frameworks
from zoo_spec.graph import GraphBuilder
from zoo_spec.models.base import Model
from zoo_spec.models.composed import Composed
from zoo_spec.registry import classes
from zoo_spec.spec_files.loading import load_spec
from zoo_spec.spec_files.shipped import display_name, looks_like_path, shipped_specs
from zoo_spec.tasks.base import Task
from zoo_spec.training import Training

DOMAINS = ("language", "vision", "speech", "multimodal")
EXECUTIONS = get_args(Training.model_fields["execution"].annotation)
"""The first goes with every graph, the other with those that have transformer layers."""
USES = ("representation", "downstream task")
_READ_BY = {"input_ids": "language", "image": "vision", "waveform": "speech"}


@dataclass(frozen=True)
class Shipped:
    """A shipped spec; ``family`` is the model's kind, ``input`` the data's, ``tasks`` all that fit the model.

    ``drawn`` is what of its data is drawn at random and not read, in words. ``execution`` are the modes of
    ``training.execution``.
    """

    name: str
    family: str
    domain: str
    use: str
    parameters: int
    task: str
    tasks: tuple[str, ...]
    input: str
    drawn: str
    frameworks: tuple[str, ...]
    execution: tuple[str, ...]
    summary: str
    file: str


@dataclass(frozen=True)
class FamilyFacts:
    """What a family states of itself; empty where there is nothing to state."""

    family: str
    domain: str
    use: str
    paper: str
    year: str
    code: str
    weights: str


def shipped() -> list[Shipped]:
    """All shipped specs, by domain, use and family, and in a family the smallest first."""
    fitting: dict[str, tuple[str, ...]] = {}
    known = frameworks()
    rows = [_row(name, path, known, fitting) for name, path in shipped_specs().items()]
    return sorted(
        rows,
        key=lambda row: (
            _place(row.domain, DOMAINS),
            _place(row.use, USES),
            row.family,
            row.parameters,
            row.name,
        ),
    )


def family_facts(rows: Iterable[Shipped]) -> list[FamilyFacts]:
    """The families of these specs, each once."""
    facts = ("domain", "use", "paper", "year", "code", "weights")
    found = classes(Model)
    families = dict.fromkeys(row.family for row in rows)
    return [FamilyFacts(name, **{fact: getattr(found[name], fact) for fact in facts}) for name in families]


def in_all_and_some(rows: Sequence[Shipped], told: str) -> tuple[list[str], list[str]]:
    """What all of these rows have under ``frameworks`` or ``execution``; and what some have, with how many."""
    found = Counter(value for row in rows for value in getattr(row, told))
    every = [value for value, count in found.items() if count == len(rows)]
    return every, [f"{value}, {count} of them" for value, count in found.items() if count < len(rows)]


def fitting_tasks(spec: ExperimentSpec) -> tuple[str, ...]:
    """The tasks that the spec's model can have; its own alone, if it brings its loss itself."""
    own = spec.task.kind
    return tuple(kind for kind in classes(Task) if kind == own or _fits(kind, spec))


def _fits(kind: str, spec: ExperimentSpec) -> bool:
    builder = GraphBuilder(spec.name)
    backbone = spec.model.build(builder)
    if "loss" in builder.output_refs:
        return False
    try:
        Task.model_validate({"kind": kind}).fit(builder, backbone)
    except (SpecError, ValidationError):
        return False
    return True


def summary(name_or_path: str) -> str:
    """The first sentence of the comment that a spec's file begins with; nothing if it begins with none."""
    path = Path(name_or_path) if looks_like_path(name_or_path) else shipped_specs().get(name_or_path)
    return first_sentence(path) if path is not None else ""


_SENTENCE = re.compile(r".*?[.!?](?= [A-Z0-9]|$)")


def first_sentence(path: Path) -> str:
    """The first sentence of the comment in the file's first lines; its first line, if it has no full stop."""
    try:
        with path.open(encoding="utf-8") as file:
            lines = [line[1:].strip() for line in takewhile(_is_comment, islice(file, 20))]
    except (OSError, UnicodeDecodeError):
        return ""
    if not lines:
        return ""
    found = _SENTENCE.match(" ".join(takewhile(bool, lines)))
    return found[0] if found else lines[0]


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def _row(
    name: str, path: Path, known: Mapping[str, Framework], fitting: dict[str, tuple[str, ...]]
) -> Shipped:
    """``fitting`` keeps each family's tasks: its wiring decides on them, not its sizes."""
    spec = load_spec(name)
    family, task, data = (part.kind for part in (spec.model, spec.task, spec.data))
    graph = spec.graph()
    kinds = {place.block.kind for place in graph.folded()}
    which = name if isinstance(spec.model, Composed) else family
    if which not in fitting:
        fitting[which] = fitting_tasks(spec)
    return Shipped(
        name=name,
        family=family,
        domain=spec.model.domain or _domain(graph.inputs),
        use=spec.task.use or spec.model.use or USES[1],
        parameters=graph.parameter_count,
        task=task,
        tasks=fitting[which],
        input=data,
        drawn=spec.data.drawn,
        frameworks=tuple(sorted(each for each, said in known.items() if said.computes(kinds))),
        execution=EXECUTIONS if graph.has_stack else EXECUTIONS[:1],
        summary=first_sentence(path),
        file=display_name(path),
    )


def _domain(inputs: Iterable[str]) -> str:
    """What a model without a domain of its own, a composed one, reads."""
    read = {domain for name, domain in _READ_BY.items() if name in inputs}
    return read.pop() if len(read) == 1 else "multimodal"


def _place(value: str, order: tuple[str, ...]) -> int:
    return order.index(value) if value in order else len(order)
