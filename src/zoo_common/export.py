"""A trained model as a directory that a server needs nothing of this package to use.

It holds the framework's own program, ``signature.json``, which says what goes in and comes out, the resolved
spec, and the tokenizer if there is one.
"""

from __future__ import annotations

import difflib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Backend, Exported, InferenceModel
from zoo_common.files import explained, free_bytes, fsync_directory, fsync_file, megabytes
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.graph import Graph
from zoo_spec.models.inputs import PACKED_ONLY, TRAINING_ONLY
from zoo_spec.tensors import TensorSpec

SIGNATURE = "signature.json"
_FORMAT, _VERSION = "zoo-export", 1
_OVERHEAD = 8 << 20
"""Bytes for the program beside its weights; that of a 24-layer BERT was seen to take 4 MB."""


def export(
    model: InferenceModel,
    backend: Backend,
    spec: ExperimentSpec,
    beside: Mapping[str, bytes],
    output: Path,
    *,
    step: int,
    features: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    overwrite: bool = False,
) -> dict[str, JsonValue]:
    """Write the backend's model to the directory ``output``, whole or not at all; returns its signature.

    The files ``beside`` are written into it by their names. ``features`` are the inputs that the program takes, by
    default ``serving_features``, ``labels`` what its labels are called. An earlier export is replaced if
    ``overwrite``. Raises InputError for features that the model has not or cannot do without, and for an output that
    is there; EnvironmentFault if it cannot be written.
    """
    graph = spec.graph()
    names = serving_features(graph, features)
    _require_free(output, overwrite)
    needed = _OVERHEAD + sum(value.size for value in graph.parameters().values()) * (
        8 if spec.training.precision == "float64" else 4
    )
    with explained("write the export", output, needed):
        output.parent.mkdir(parents=True, exist_ok=True)
        free = free_bytes(output.parent)
        if free < needed:
            raise EnvironmentFault(
                f"cannot write the export {output}: {megabytes(needed)} needed, {megabytes(free)} free on the "
                "disk; free some room, or give an --output on another disk"
            )
        with _whole_directory(output) as partial:
            exported = model.export(partial, names)
            files: list[JsonValue] = []
            for name, content in beside.items():
                (partial / name).write_bytes(content)
                files.append(name)
            signature: dict[str, JsonValue] = {
                "format": _FORMAT,
                "version": _VERSION,
                "framework": backend.name,
                "program": exported.program,
                **_described(spec, graph, exported),
                **({} if labels is None else {"labels": list(labels)}),
                "step": step,
                "files": files,
                "versions": {"dualzoo": version("dualzoo"), **backend.versions()},
            }
            text = json.dumps(signature, indent=2, ensure_ascii=False) + "\n"
            (partial / SIGNATURE).write_text(text, encoding="utf-8", newline="\n")
    return signature


def serving_features(graph: Graph, wanted: Sequence[str] | None = None) -> list[str]:
    """The inputs that a program takes, in the graph's order: ``wanted``, or all that one example a row needs.

    By default that is every feature but those which only packed rows or only training have; labels never. Raises
    InputError for names that are no features, and for required ones that are left out.
    """
    if wanted is None:
        return [name for name in graph.features if name not in (*PACKED_ONLY, *TRAINING_ONLY)]
    wrong = []
    for name in wanted:
        if name in graph.labels:
            wrong.append(f"{name!r} is a label, which no prediction needs")
        elif name not in graph.features:
            near = difflib.get_close_matches(name, graph.features, n=1)
            wrong.append(f"there is no {name!r}" + "".join(f" (did you mean {each!r}?)" for each in near))
    required = [name for name in graph.features if not graph.inputs[name].optional]
    wrong += [f"{name!r} is left out, and required" for name in required if name not in wanted]
    if wrong:
        raise InputError(f"{graph.name}: {'; '.join(wrong)}; its features are {', '.join(graph.features)}")
    return [name for name in graph.features if name in wanted]


def _described(spec: ExperimentSpec, graph: Graph, exported: Exported) -> dict[str, JsonValue]:
    """What the program is of, its inputs and outputs, and the sizes that its open dimensions may have."""
    sizes: dict[str, JsonValue] = {
        name: {"minimum": bound.minimum, "maximum": bound.maximum}
        for name, bound in graph.bounds.items()
        if any(name in graph.inputs[each].shape for each in exported.inputs)
    }
    described: dict[str, JsonValue] = {
        "spec": spec.name,
        "spec_hash": spec.fingerprint(),
        "task": spec.task.kind,
        "inputs": {name: _tensor(graph.inputs[name], dtype) for name, dtype in exported.inputs.items()},
        "outputs": {name: _tensor(graph.outputs[name], dtype) for name, dtype in exported.outputs.items()},
        "sizes": sizes,
    }
    preprocessing: dict[str, JsonValue] = {**spec.data.preprocessing()}
    if preprocessing:
        described["preprocessing"] = preprocessing
    return described


def _tensor(spec: TensorSpec, dtype: str) -> JsonValue:
    meaning = {"description": spec.description} if spec.description else {}
    return {"shape": list(spec.shape), "dtype": dtype, **meaning}


def _require_free(output: Path, overwrite: bool) -> None:
    """Refuse a path that holds something, unless it is an export that may be replaced."""
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise InputError(f"{output}: is not a directory, which an export is; give another path")
    with explained("read", output):
        found = sorted(entry.name for entry in output.iterdir())
    if not found:
        return
    if SIGNATURE not in found:
        raise InputError(f"{output}: holds no export but {', '.join(found[:3])}; give another directory")
    if not overwrite:
        raise InputError(f"{output}: holds an export already; give another --output, or --overwrite it")


@contextmanager
def _whole_directory(target: Path) -> Iterator[Path]:
    """A new directory to fill, which takes ``target``'s place when all of it is on the disk."""
    mark = secrets.token_hex(4)
    partial, old = (target.with_name(f".{target.name}.{mark}.{what}") for what in ("partial", "replaced"))
    partial.mkdir()
    try:
        yield partial
        for folder, _, files in os.walk(partial):
            for name in files:
                with open(Path(folder) / name, "rb+") as file:
                    fsync_file(file.fileno())
            fsync_directory(Path(folder))
        if target.exists():
            os.replace(target, old)
        os.replace(partial, target)
        fsync_directory(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not target.exists():
            with suppress(OSError):
                os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
