"""What the common half asks of a model that a user wrote, and what stands in the place of its spec."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from zoo_common.backend import Array, State, Weights
from zoo_common.training.differences import Fields
from zoo_common.training.feed import Feed
from zoo_common.training.loop import Step
from zoo_spec.reading import printable, read_file, reading
from zoo_spec.values import Value
from zoo_spec.yaml_reader import read_mapping

_LARGEST = 64 << 20
"""Bytes of a description, which has a line for each weight of the model."""
OWN = "own"
"""``kind`` of a description, where a spec file has none."""


class ModeKeys(StrEnum):
    """What a model is called for; the values are tf.estimator's."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class OwnModel(Protocol):
    """A user's model in one framework. Arrays come in and go out by the framework's own names and layouts."""

    name: str
    """The framework's."""
    title: str
    """What the model is called in messages."""

    def description(self) -> dict[str, JsonValue]:
        """What tells it from another model."""

    def device_bytes(self) -> int | None:
        """Bytes held on the accelerator; None on a CPU."""

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that it computes with."""

    def restore(self, state: State | None) -> None:
        """Take over a checkpoint's state; None: begin anew."""

    def begin(self, mode: ModeKeys, feed: Feed) -> Iterator[object]:
        """Make what the mode needs, with the newest weights; gives the batches in the form of its steps."""

    def train_step(self, batch: object, index: int, waited: float) -> Step:
        """Step ``index``, counted from 0; the batch was waited for that many seconds."""

    def evaluate(self, batches: Iterator[object]) -> dict[str, float]:
        """``loss``, where it has one, and metrics over these batches."""

    def predict(self, batches: Iterator[object]) -> Iterator[dict[str, Array]]:
        """Outputs by name, one example after the other."""

    def export(self, directory: Path, features: object) -> None:
        """Write a program into an empty directory that needs the framework alone and takes such features."""

    def export_state(self) -> State:
        """A copy of everything that training changes."""

    def weights(self) -> Weights:
        """A copy of the weights."""

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set all weights and nothing else."""


def describe(model: OwnModel, seed: int) -> dict[str, JsonValue]:
    """What is kept of a user's model where a run of a spec has the spec."""
    return {"kind": OWN, "framework": model.name, **model.description(), "seed": seed}


def plain(value: object) -> JsonValue:
    """A user's value as JSON has it; anything else by its name, or by its type's."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return qualified_name(value)


def qualified_name(value: object) -> str:
    """A function's or class' name, or that of the value's class.

    Without the module: that is ``__main__`` or not by how a script is started.
    """
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def fingerprint(description: Fields) -> str:
    """SHA-256 of a description."""
    return hashlib.sha256(json.dumps(dict(description), sort_keys=True).encode()).hexdigest()


def read_description(file: Path) -> dict[str, JsonValue] | None:
    """What ``describe`` gave, of a run's ``spec.yaml``; None if that is a spec.

    Raises SpecError, with file and line, for a file that is no mapping in YAML.
    """
    raw = read_file(file, most=_LARGEST, remedy="no run has such a one; put back the file that it wrote")
    with reading(file, "YAML", remedy="put back the file that the run wrote"):
        values, _ = read_mapping(raw.decode("utf-8"), printable(file))
    if values.get("kind") != OWN:
        return None
    return {key: _as_json(value) for key, value in values.items()}


def _as_json(value: Value) -> JsonValue:
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    return [_as_json(inner) for inner in value] if isinstance(value, tuple) else value
