"""Folders as ``transformers`` writes them, made without it: names by the family's table, files by our own writer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo_common.containers.safetensors_writing import tensor_chunks
from zoo_common.interop import to_foreign
from zoo_spec import load_spec
from zoo_spec.experiment import ExperimentSpec

SMALL = (
    "model.hidden_size=12", "model.num_layers=2", "model.num_heads=2", "model.intermediate_size=7",
    "model.vocab_size=64", "model.max_positions=20",
)  # fmt: skip
WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz",
    "paris",
    "is",
    "of",
    "##s",
)


def bert(task: str = "masked_lm", *more: str) -> ExperimentSpec:
    return load_spec("bert_tiny", [*SMALL, f"task={{kind: {task}}}", *more])


def draw(spec: ExperimentSpec, dtype: str = "float32") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal(parameter.shape).astype(dtype)
        for name, parameter in spec.graph().parameters().items()
    }


def config_of(spec: ExperimentSpec) -> dict[str, Any]:
    table = spec.model.foreign_configs()["transformers"]
    saved = table.class_for(spec.task.kind)
    task = saved.write(spec.task.model_dump(mode="json"))
    written = table.write(spec.model.model_dump(mode="json", serialize_as_any=True))
    return {**written, **task, "architectures": [saved.architecture]}


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        for chunk in tensor_chunks(tensors):
            file.write(chunk)


def hub_folder(
    path: Path,
    spec: ExperimentSpec,
    weights: Mapping[str, np.ndarray] | None = None,
    **config: Any,
) -> dict[str, np.ndarray]:
    """Write the folder and give its tensors; what is said is laid over the configuration, None leaves a key out."""
    path.mkdir(parents=True, exist_ok=True)
    tensors = to_foreign(spec, "transformers", draw(spec) if weights is None else weights)
    write_tensors(path / "model.safetensors", tensors)
    said = {**config_of(spec), **config}
    (path / "config.json").write_text(
        json.dumps({key: value for key, value in said.items() if value is not None})
    )
    (path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return tensors
