"""An experiment: a model, its task, its data and its training; the whole of a spec file."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import AfterValidator, model_validator

from zoo_spec.base import Spec
from zoo_spec.data import Data
from zoo_spec.graph import Graph, GraphBuilder
from zoo_spec.models.base import Model
from zoo_spec.registry import class_of
from zoo_spec.tasks.base import Task
from zoo_spec.trained import trained
from zoo_spec.training import Training
from zoo_spec.values import MAX_NAME, shorten

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def _folder_name(name: str) -> str:
    if len(name) > MAX_NAME:
        raise ValueError(f"'{shorten(name)}' has {len(name):,} letters; a name has at most {MAX_NAME}")
    if not name.isprintable():
        raise ValueError(f"'{shorten(name)}' is no name: it has characters that cannot be printed")
    if name.strip() in ("", ".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"{name!r} is no name: runs are kept in a folder called by it")
    return name


class ExperimentSpec(Spec):
    """A spec file, resolved. Whatever a file leaves out has a default that fits the model's family."""

    name: Annotated[str, AfterValidator(_folder_name)] = "unnamed"
    """What the experiment is called; a file's stem, where it does not say."""
    model: Model
    """The architecture."""
    task: Task
    """The head, the loss and the metrics."""
    data: Data
    """Where examples come from."""
    training: Training = Training()
    """How it is trained."""

    @model_validator(mode="before")
    @classmethod
    def _default_kinds(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        values = dict(given)
        model = _class_of(Model, values.get("model"))
        if model is not None and issubclass(model, Model):
            values["task"] = _with_kind(values.get("task", {}), model.default_task)
        task = _class_of(Task, values.get("task"))
        if task is not None and issubclass(task, Task):
            values["data"] = _with_kind(values.get("data", {}), task.default_data)
        return values

    def graph(self) -> Graph:
        """The checked graph of model and task; raises SpecError with everything that does not fit."""
        builder = GraphBuilder(self.name, self.model.kind)
        backbone = self.model.build(builder)
        if "loss" not in builder.output_refs:
            self.task.fit(builder, backbone)
        graph = builder.finish()
        if self.training.recompute:
            graph.require_layers()
        if self.training.streams:
            graph.require_stack()
        if self.training.names_weights:
            trained(graph, self.training)
        return graph

    def resolved(self) -> dict[str, Json]:
        """Every value, as plain mappings that load again to an equal spec.

        A flat field that a slot holds too is left to the slot.
        """
        values: dict[str, Json] = self.model_dump(mode="json", serialize_as_any=True)
        values["model"] = resolved_model(self.model)
        return values

    def fingerprint(self) -> str:
        """SHA-256 of the resolved spec, its name aside, and how it is executed: that changes no result."""
        resident = self.model_copy(update={"training": self.training.as_resident()})
        values = {key: value for key, value in resident.resolved().items() if key != "name"}
        training = values["training"]
        assert isinstance(training, dict)
        for field in ("memory_limit", "sharding", "compile"):
            del training[field]  # Nor were they there when the first of these were kept.
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def resolved_model(model: Model) -> dict[str, Json]:
    """The ``model`` part of ``ExperimentSpec.resolved``."""
    values: dict[str, Json] = model.model_dump(mode="json", serialize_as_any=True)
    for slot, fills in type(model).slots.items():
        block = values[slot]
        assert isinstance(block, dict)
        for flat in fills:
            values.pop(flat, None)
        for flat in type(model).slot_defaults:
            if flat in block and block[flat] == values[flat]:
                del block[flat]
    return values


def _class_of(role: type[Model] | type[Task], value: object) -> type[Spec] | None:
    if isinstance(value, role):
        return type(value)
    kind = value if isinstance(value, str) else value.get("kind") if isinstance(value, dict) else None
    return class_of(role, kind) if isinstance(kind, str) else None


def _with_kind(value: object, kind: str) -> object:
    return {"kind": kind, **value} if isinstance(value, dict) else value
