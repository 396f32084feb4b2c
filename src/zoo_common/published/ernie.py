"""ERNIE as Paddle has it: ``.pdparams`` with its configuration, and the release of 2019, a folder of variables."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from zoo_common.containers import Container
from zoo_common.containers.paddle_folder import PaddleFolder
from zoo_common.containers.plain_json import read_json_mapping
from zoo_common.published.place import Box, Place
from zoo_common.published.source import Published, of_no_tensors
from zoo_spec.errors import InputError
from zoo_spec.foreign.names import NameTable
from zoo_spec.models.ernie import Ernie
from zoo_spec.models.ernie_paddle import OF_2019, PADDLE
from zoo_spec.reading import printable

_SOURCES = {"paddle": ("paddle", PADDLE), "paddle_folder": ("ernie-2019", OF_2019)}
_PARAMS = "params"
_CONFIGS = ("model_config.json", "config.json", "ernie_config.json")
_MOST_NESTED = 5
_ROWS = {
    "vocab_size": "embeddings.token.weight",
    "max_position_embeddings": "embeddings.position.weight",
    "type_vocab_size": "embeddings.token_type.weight",
    "task_type_vocab_size": "embeddings.task_type.weight",
}
"""Counts of a configuration, and the tables whose rows they are."""


def recognise(place: Place) -> Published | None:
    """An ERNIE of Paddle's in a file or a folder; None for what is none."""
    boxes = [box for box in (*place.boxes, *_variables(place)) if box.format in _SOURCES]
    found = [(box, tensors) for box in boxes if _is_ernie(box, tensors := place.tensors(box))]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(printable(box.path.name) for box, _ in found)
        raise InputError(f"{printable(place.path)}: holds {names}; name the one that is meant")
    box, tensors = found[0]
    source, table = _SOURCES[box.format]
    config, where = _config(place, box)
    config = {**config, **_counted(tensors, table)}
    said = config.get("architectures") or [config.get("init_class")]
    classes = tuple(str(each) for each in said if each) if isinstance(said, list) else ()
    notes = of_no_tensors(tensors)
    return Published(source, Ernie, config, where, tensors, box.files, place.folder, classes, notes)


def _variables(place: Place) -> list[Box]:
    """The folder of variables that lies in a released folder."""
    path = place.folder / _PARAMS
    if not place.path.is_dir() or not PaddleFolder.sniff(path):
        return []
    return [Box("paddle_folder", path, tuple(sorted(file for file in path.iterdir() if file.is_file())))]


def _is_ernie(box: Box, tensors: Container) -> bool:
    _, table = _SOURCES[box.format]
    return any(table.place(table.current(name)) is not None for name in tensors)


def _config(place: Place, box: Box) -> tuple[dict[str, JsonValue], str]:
    folders = (place.folder, box.path.parent)
    path = next((folder / name for folder in folders for name in _CONFIGS if (folder / name).is_file()), None)
    if path is None:
        raise InputError(
            f"{printable(box.path)}: has no {', '.join(_CONFIGS)} beside it, which says with how many heads and what "
            "activation its weights are computed; put it there"
        )
    return _flat(read_json_mapping(path), _MOST_NESTED), printable(path)


def _flat(config: Mapping[str, JsonValue], levels: int) -> dict[str, JsonValue]:
    """PaddleNLP's ``init_args`` as plain keys: the first of a task's class is its body, described likewise."""
    flat = {key: value for key, value in config.items() if key != "init_args"}
    inner = config.get("init_args")
    first = inner[0] if isinstance(inner, list) and inner else None
    if isinstance(first, dict) and levels:
        flat = {**_flat(first, levels - 1), **flat}
    return flat


def _counted(tensors: Container, table: NameTable) -> dict[str, JsonValue]:
    """How many rows the tables have; without a table of task types there are none."""
    found: dict[str, JsonValue] = {"task_type_vocab_size": 0}
    foreign = {str(entry.canonical): str(entry.foreign) for entry in table.backbone.entries}
    for name, entry in tensors.entries.items():
        current = table.current(name).removeprefix(table.prefix)
        for key, canonical in _ROWS.items():
            if current == foreign[canonical] and entry.shape:
                found[key] = entry.shape[0]
        if current in ("classifier.bias", "cls_out_b", "cls_seq_label_out_b") and entry.shape:
            found["num_labels"] = entry.shape[0]
    return found
