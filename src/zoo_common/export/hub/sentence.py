"""The files that say how one vector is made of a text, where the task does."""

from __future__ import annotations

import json

from pydantic import JsonValue

from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.sentence_modules import written
from zoo_spec.graph import Graph
from zoo_spec.tasks.representation import Representation


def sentence_files(spec: ExperimentSpec) -> dict[str, bytes]:
    """``modules.json`` and what it names, by name; nothing without a pooling.

    Raises InputError for a pooling that ``sentence-transformers`` does not have.
    """
    task = spec.task
    if not isinstance(task, Representation) or not task.pooling:
        return {}
    graph = spec.graph()
    try:
        files = written(
            [block.kind for block in task.pooling],
            normalize=task.normalize,
            width=graph.outputs["hidden_states"].width,
            longest=_longest(spec, graph),
        )
    except ValueError as error:
        raise InputError(f"{spec.name}: {error}") from None
    return {name: _json(content) for name, content in files.items()}


def _longest(spec: ExperimentSpec, graph: Graph) -> int | None:
    """What the run's examples are cut to, or else what the model takes."""
    length = getattr(spec.data.asked, "sequence_length", None)
    return length if isinstance(length, int) else graph.bounds["sequence"].maximum


def _json(content: JsonValue) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode("utf-8")
