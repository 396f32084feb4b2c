"""Everything that a spec file can say, in Markdown, from the registry and the specs' own docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from pydantic.fields import FieldInfo

from zoo_common.metrics import metric_kinds
from zoo_common.report.field_types import default_text, type_text
from zoo_common.report.reference_tensors import tensor_tables
from zoo_spec.base import Spec
from zoo_spec.blocks.base import Block
from zoo_spec.data import Data
from zoo_spec.initializers import Initializer
from zoo_spec.models.base import Model
from zoo_spec.registry import Registered, classes
from zoo_spec.spec_files.attribute_docs import attribute_docs
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.metrics import Metric, TextMetric
from zoo_spec.training import Training
from zoo_spec.training.optimizers import Optimizer
from zoo_spec.training.schedules import Schedule

_HEAD = """# Reference

Every family, task, metric, kind of data, block, input and output, with all fields. Made from the code by
`zoo schema --markdown`, which adds those of installed plugins; [spec.md](spec.md) says how spec files work.
"""


_CONSTANTS: Mapping[str, type[Registered]] = {
    "Optimizers (`training.optimizer.kind`)": Optimizer,
    "Schedules (`training.schedule.kind`)": Schedule,
    "Initializers (`initializer.kind` and the like)": Initializer,
}


def to_markdown() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_lines()]).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield "## Families (`model.kind`)\n"
    for kind, family in classes(Model).items():
        assert issubclass(family, Model)
        yield from _kind(kind, family, *_family_notes(family))
    yield "## Tasks (`task.kind`)\n"
    for kind, task in classes(Task).items():
        assert issubclass(task, Task)
        yield from _kind(kind, task, *_task_notes(task.model_validate({"kind": kind})))
    yield "## Metrics\n"
    yield "What `evaluate` reports beside the loss; a task declares its own.\n"
    yield from _table(
        ("metric", "what it is"),
        ((f"`{kind}`", _prose(inspect.getdoc(cls) or "")) for kind, cls in metric_kinds().items()),
    )
    yield "## Data (`data.kind`)\n"
    for kind, data in classes(Data).items():
        yield from _kind(kind, data)
    yield "## `training`\n"
    yield from _fields(Training)
    for title, role in _CONSTANTS.items():
        yield f"## {title}\n"
        for kind, cls in classes(role).items():
            yield from _kind(kind, cls)
    yield "## Blocks\n"
    yield "By role: a slot takes any block of its role, and `kind: graph` any at all.\n"
    ordered = sorted(classes(Block).items(), key=lambda entry: (entry[1].role, entry[0]))
    for role, found in groupby(ordered, key=lambda entry: entry[1].role):
        yield f"### Role `{role}`\n"
        for kind, block in found:
            yield from _kind(kind, block, level=4)
    yield from tensor_tables()


def _kind(kind: str, cls: type[Spec], *notes: str, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} `{kind}`\n"
    yield _prose(inspect.getdoc(cls) or "") + "\n"
    yield from (f"{note}\n" for note in notes)
    yield from _fields(cls)


def _fields(cls: type[Spec]) -> Iterator[str]:
    fields = {name: field for name, field in cls.model_fields.items() if name != "kind"}
    if fields:
        docs = attribute_docs(cls)
        head = ("field", "takes", "default", "meaning")
        yield from _table(head, (_row(cls, name, field, docs) for name, field in fields.items()))


def _row(cls: type[Spec], name: str, field: FieldInfo, docs: Mapping[str, str]) -> tuple[str, ...]:
    slot = cls.slot_kinds.get(name) if issubclass(cls, Model) else None
    default = f"`{slot}`" if slot else default_text(field)
    return f"`{name}`", type_text(field), default, _prose(docs.get(name, ""))


def _family_notes(family: type[Model]) -> Iterator[str]:
    facts = [
        f"{family.paper} ({family.year})." if family.paper else "",
        f"Code: {family.code}." if family.code else "",
        f"Weights: {family.weights}." if family.weights else "",
    ]
    if any(facts):
        yield " ".join(filter(None, facts))
    yield f"Its own task: `{family.default_task}`."


def _task_notes(task: Task) -> Iterator[str]:
    if task.needs:
        yield f"Needs of the model: {', '.join(f'`{need}`' for need in task.needs)}."
    if metrics := task.metrics():
        yield f"Metrics: {', '.join(f'{_named(each)} ({each.kind})' for each in metrics)}."


def _named(metric: Metric) -> str:
    names = metric.names if isinstance(metric, TextMetric) else (metric.name,)
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _prose(text: str) -> str:
    """A docstring on one line, with Markdown's code marks."""
    return " ".join(text.replace("``", "`").split())
