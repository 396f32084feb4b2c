"""A model's weights by the source's names, in files that its readers take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_common.containers.safetensors_writing import size_of, tensor_chunks
from zoo_common.interop.convert import names_of, shapes_of, table_of
from zoo_common.weights import Entry, Part, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.names import Repeat, Row
from zoo_spec.weights import check_names

FILE = "model.safetensors"
METADATA = {"format": "pt"}
"""Without it the readers of 4.x refuse the file."""


class ForeignWeights(WeightSource):
    """A run's weights as another project's tensors, each made when it is asked for.

    They have the names of its files. A tensor that is tied to another is not among them, as that project's own writer
    leaves it out; one that follows from a weight otherwise is. Raises InputError where the project has no name for a
    weight.
    """

    def __init__(self, spec: ExperimentSpec, source: str, weights: WeightSource) -> None:
        table = table_of(spec, source)
        names = names_of(spec, source, table, prefixed=None)
        check_names(shapes_of(spec), weights.entries)
        self._weights = weights
        self._rows: dict[str, tuple[Row, int]] = {}
        self._repeats: dict[str, Repeat] = {
            table.in_files(each.foreign): each
            for each in names.repeats
            if each.written and each.value is not None
        }
        entries: dict[str, Entry] = {}
        for row in names.rows:
            ours = [weights.entries[name] for name in row.canonical]
            shapes = row.transform.write_shapes(tuple(each.shape for each in ours))
            for index, (name, shape) in enumerate(zip(map(table.in_files, row.foreign), shapes, strict=True)):
                self._rows[name] = (row, index)
                entries[name] = Entry(ours[0].dtype, shape)
        for name, repeat in self._repeats.items():
            there = weights.entries[repeat.of]
            made = repeat.of_weight(np.broadcast_to(np.zeros((), there.dtype), there.shape))
            entries[name] = Entry(made.dtype.name, made.shape)
        self.entries = entries

    def read(self, name: str) -> Array:
        """The tensor, of what it is made of here."""
        if name in self._repeats:
            repeat = self._repeats[name]
            return np.array(repeat.of_weight(self._weights.read(repeat.of)))
        row, index = self._rows[name]
        return row.transform.write(tuple(self._weights.read(each) for each in row.canonical))[index]


@dataclass(frozen=True)
class Shard:
    """A file's name, and the tensors in it."""

    file: str
    names: tuple[str, ...]


def shards_of(entries: Mapping[str, Entry], most: int) -> list[Shard]:
    """The files that tensors are spread over: as the hub has it, of ``most`` bytes unless one tensor is larger."""
    groups = list(_groups(entries, most))
    if len(groups) < 2:
        return [Shard(FILE, tuple(entries))]
    return [
        Shard(f"model-{number:05}-of-{len(groups):05}.safetensors", group)
        for number, group in enumerate(groups, 1)
    ]


def write_weights(source: WeightSource, directory: Path, shards: list[Shard]) -> tuple[str, ...]:
    """Write the shards and, of several, their index; returns the files' names."""
    for shard in shards:
        with (directory / shard.file).open("wb") as file:
            for chunk in tensor_chunks(Part(source, shard.names), METADATA):
                file.write(chunk)
    files = tuple(shard.file for shard in shards)
    if len(shards) == 1:
        return files
    total = sum(map(size_of, source.entries.values()))
    table = {name: shard.file for shard in shards for name in shard.names}
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(table.items()))}
    name = f"{FILE}.index.json"
    (directory / name).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8", newline="\n")
    return (*files, name)


def _groups(entries: Mapping[str, Entry], most: int) -> Iterator[tuple[str, ...]]:
    held: list[str] = []
    size = 0
    for name, entry in entries.items():
        if held and size + size_of(entry) > most:
            yield tuple(held)
            held, size = [], 0
        held.append(name)
        size += size_of(entry)
    if held:
        yield tuple(held)
