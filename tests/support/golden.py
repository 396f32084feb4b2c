"""Golden files: what each shipped spec means. A change of meaning shows in a review as a change of these.

A spec's file holds what it states beside the defaults, which ``defaults/`` holds once for all.

``python tests/support/golden.py`` writes them anew.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from pydantic.fields import FieldInfo

from distinct import representatives
from models import training_model
from zoo_common.data import batch, open_dataset
from zoo_common.training.loop import train_on
from zoo_spec import list_specs, load_spec
from zoo_spec.base import Spec
from zoo_spec.blocks.base import Block
from zoo_spec.data import Batching, Data
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.initializers import Initializer
from zoo_spec.models.base import Model
from zoo_spec.registry import classes
from zoo_spec.shrink import shrunk
from zoo_spec.tasks.base import Task
from zoo_spec.training import Training
from zoo_spec.training.optimizers import Optimizer
from zoo_spec.training.schedules import Schedule

FOLDER = Path(__file__).parent.parent / "golden"
STEPS = 3


def golden(name: str) -> dict:
    """What a spec states, the parameter table (the first and last names, and a hash of all) and first losses."""
    spec = load_spec(name)
    table = [
        f"{name} {list(parameter.shape)} {parameter.role} {json.dumps(shown(parameter.initializer))}"
        for name, parameter in spec.graph().parameters().items()
    ]
    return {
        "states": states(spec),
        "parameters": spec.graph().parameter_count,
        "table": {"first": table[0], "last": table[-1], "sha256": _hash("\n".join(table))},
        "first_losses": first_losses(representatives()[name], "torch"),
    }


def states(spec: ExperimentSpec) -> dict:
    """The resolved spec without what it would be anyhow, so that a new field with a default changes nothing here.

    It is the whole spec none the less: ``read`` gives it back. What the defaults are is held by ``defaults``.
    """
    values = spec.resolved()

    def drop(holder: dict | list) -> None:
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            value = holder[key]
            if isinstance(holder, dict) and key != "kind":
                del holder[key]
                if read(values) == spec:
                    continue
                holder[key] = value
            if isinstance(value, dict | list):
                drop(value)

    drop(values)
    return values


def read(values: dict) -> ExperimentSpec | None:
    """The spec that states these; None if it is none."""
    try:
        return ExperimentSpec.model_validate(_tuples(values))
    except ValueError:
        return None


def defaults() -> dict[str, dict]:
    """By role the fields of every kind that ships, each with its default; null stands for none, too."""
    roles = (Model, Task, Data, Batching, Block, Optimizer, Schedule, Initializer)
    found = {role.role: {kind: _fields(cls) for kind, cls in classes(role).items()} for role in roles}
    return {**found, "training": {"training": _fields(Training)}}


def _fields(cls: type[Spec]) -> dict:
    fields = {name: field for name, field in cls.model_fields.items() if name != "kind"}
    return {
        name: "(must be given)" if field.is_required() else shown(_default(field))
        for name, field in sorted(fields.items())
    }


def shown(value: object) -> object:
    """A value as JSON; of a spec its kind, and what differs from its class' defaults."""
    if not isinstance(value, Spec):
        return [shown(each) for each in value] if isinstance(value, tuple) else value
    fields = type(value).model_fields
    given = {name: getattr(value, name) for name in fields}
    return {
        name: shown(each) for name, each in given.items() if name == "kind" or each != _default(fields[name])
    }


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def _tuples(value: object) -> object:
    """Lists as tuples, as specs are strict about."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@cache
def first_losses(name: str, framework: str) -> list[float]:
    """The losses of the first steps in float64, at the small size, with dropout that is the same everywhere.

    None where there is no loss.
    """
    spec = shrunk(load_spec(name))
    if not spec.graph().loss_parts:
        return []
    changes = {"precision": "float64", "random": "portable", "batch_size": 4, "micro_batch_size": None}
    training = spec.training.model_copy(update=changes)
    graph, dataset = spec.graph(), open_dataset(spec, None, "train")
    backend = training_model(framework, graph, training)
    return [
        float(train_on(backend, graph, training, batch(dataset, training.seed, index, 4), index).result.loss)
        for index in range(STEPS)
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write() -> None:
    """Write all golden files, and delete those of specs and roles that are gone."""
    (FOLDER / "defaults").mkdir(parents=True, exist_ok=True)
    for old in FOLDER.rglob("*.json"):
        old.unlink()
    for name in list_specs():
        _write(name, golden(name))
    for role, kinds in defaults().items():
        _write(f"defaults/{role}", kinds)


def _write(name: str, content: dict) -> None:
    text = json.dumps(content, indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
