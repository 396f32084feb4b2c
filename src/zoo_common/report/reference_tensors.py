"""The inputs and outputs of all shipped specs, by name: shape by named dimensions, dtype and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zoo_spec.models.composed import Composed
from zoo_spec.spec_files.loading import load_spec
from zoo_spec.spec_files.shipped import shipped_specs
from zoo_spec.tensors import TensorSpec

_PART = ("loss", "numerator", "denominator")


@dataclass
class _Row:
    """What specs call by one name, in one shape and dtype: what it means, and with which tasks it comes."""

    meanings: dict[str, None] = field(default_factory=dict)
    tasks: dict[str, None] = field(default_factory=dict)
    optional: bool = True


def tensor_tables() -> Iterator[str]:
    """The two tables. Sizes that a spec chooses go by the dimension's name, or by ``…`` where it has none."""
    inputs: dict[tuple[str, str, str], _Row] = {}
    outputs: dict[tuple[str, str, str], _Row] = {}
    for name in shipped_specs():
        spec = load_spec(name)
        if isinstance(spec.model, Composed):
            continue  # Its author names what goes in and out; the shipped ones use the names of the families.
        graph, task = spec.graph(), spec.task.kind
        _add(inputs, {f"`{name}`": tensor for name, tensor in graph.inputs.items()}, task)
        _add(outputs, _parts_together(graph.outputs), task)
    yield "## Inputs\n"
    yield "`float` is the model's own dtype, `float32` at least that. What is optional may be left out.\n"
    yield from _lines(inputs, with_meaning=True)
    yield "## Outputs\n"
    yield "Those of a loss are scalars: `loss`, and for each part of it the ratio and what it is the ratio of.\n"
    yield from _lines(outputs, with_meaning=False)


def _parts_together(outputs: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
    """The outputs, the three of a loss' part under one heading."""
    found: dict[str, TensorSpec] = {}
    for name, tensor in outputs.items():
        part, _, what = name.rpartition("_")
        three = [f"{part}_{each}" for each in _PART]
        together = what in _PART and all(each in outputs for each in three)
        found[", ".join(f"`{each}`" for each in (three if together else [name]))] = tensor
    return found


def _add(rows: dict[tuple[str, str, str], _Row], tensors: Mapping[str, TensorSpec], task: str) -> None:
    for name, tensor in tensors.items():
        row = rows.setdefault((name, shape_text(tensor), tensor.dtype), _Row())
        row.optional = row.optional and tensor.optional
        row.tasks[task] = None
        if tensor.description:
            row.meanings[tensor.description] = None


def shape_text(tensor: TensorSpec) -> str:
    """``[batch, height, width, channels]``."""
    return f"[{', '.join(name or '…' for name in tensor.named_axes)}]"


def _lines(rows: Mapping[tuple[str, str, str], _Row], *, with_meaning: bool) -> Iterator[str]:
    head = ("name", "shape", "dtype", *(("optional", "meaning") if with_meaning else ()), "tasks")
    yield _line(head)
    yield _line(("---",) * len(head))
    for (name, shape, dtype), row in sorted(rows.items()):
        told = ("yes" if row.optional else "", "; or ".join(row.meanings)) if with_meaning else ()
        tasks = ", ".join(f"`{task}`" for task in sorted(row.tasks))
        yield _line((name, f"`{shape}`", dtype, *told, tasks))
    yield ""


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
