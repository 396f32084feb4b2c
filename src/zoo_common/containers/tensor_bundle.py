"""TensorFlow's checkpoints since 2016 (V2, "tensor bundle"): an index of tensors, and files of their bytes.

tensorflow/core/util/tensor_bundle/tensor_bundle.{h,cc}, tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from zoo_common.containers.base import BFLOAT16, Container, native
from zoo_common.containers.crc32c import masked_crc32c
from zoo_common.containers.few_open import FewOpen
from zoo_common.containers.sorted_table import MAGIC, table_entries
from zoo_common.containers.varints import Fields, message, number, parts
from zoo_common.weights import Entry
from zoo_spec.arrays import Array
from zoo_spec.reading import UnreadableFileError, open_file, printable, read_file, reading

_INDEX = ".index"
_SHARD = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_LARGEST_INDEX = 64_000_000
_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool",
    14: BFLOAT16.name, 17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
_TEXT, _TEXTS = 7, "str"
_MOST_AXES = 64
_LARGEST = 2**63
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class _Stored(Entry):
    """A tensor, and where its bytes are."""

    shard: int
    start: int
    size: int
    crc: int


class TensorBundle(Container):
    """One such checkpoint, by its prefix (``bert_model.ckpt``), its index, a data file, or a folder with one.

    Checksums are verified: of the index at once, of a tensor as it is read. Texts are no tensors here. Raises
    InputError for a checkpoint of objects (TensorFlow 2), and for variables in partitions.
    """

    format: ClassVar[str] = "tensor_bundle"

    def __init__(self, path: Path) -> None:
        index = _index_of(path)
        if index is None:
            raise UnreadableFileError(path, "there is no index of a TensorFlow checkpoint")
        super().__init__(index)
        raw = read_file(index, most=_LARGEST_INDEX, remedy="no checkpoint has such an index")
        try:
            (first, header), *rest = table_entries(raw)
            if first:
                raise ValueError("has no header: a checkpoint of TensorFlow's older form (V1)?")
            fields = message(header)
            self._count = number(fields, 1)
            self._order: Literal["<", ">"] = ">" if number(fields, 2) else "<"
            self._stored = self._entries([(name, message(value)) for name, value in rest])
        except ValueError as error:
            raise self.damage(printable(str(error))) from error
        self._refuse_objects()
        self._check_places()
        self.entries: dict[str, _Stored] = {
            name: entry for name, entry in self._stored.items() if entry.dtype != _TEXTS
        }
        self.not_tensors = [name for name in self._stored if name not in self.entries]
        self._shards = FewOpen(open_file)
        numbers = sorted({entry.shard for entry in self._stored.values()})
        self.files = (index, *(self._shard(each) for each in numbers))
        """All that it is read from."""

    @classmethod
    def sniff(cls, path: Path) -> bool:
        """Whether a file that ends as an index does is meant."""
        return _index_of(path) is not None

    def read(self, name: str) -> Array:
        """One tensor, whose checksum is right. Raises InputError if it is not."""
        entry = self.entries[name]
        array = np.empty(entry.shape, np.dtype(entry.dtype).newbyteorder(self._order))
        octets = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        shard = self._shard(entry.shard)
        if array.size:
            with reading(shard):
                file = self._shards.get(shard)
                file.seek(entry.start)
                count = file.readinto(octets)  # type: ignore[attr-defined]
            if count != entry.size:
                raise UnreadableFileError(shard, f"ends within {printable(name)}")
        if masked_crc32c(octets) != entry.crc:
            raise UnreadableFileError(shard, f"the checksum of {printable(name)} is another; it is damaged")
        return native(array)

    def close(self) -> None:
        """Close the data files that are open."""
        self._shards.close()

    def _entries(self, found: list[tuple[bytes, Fields]]) -> dict[str, _Stored]:
        for name, fields in found:
            if 7 in fields:  # Its parts have names of their own, which are no texts.
                raise ValueError(
                    f"{name.decode('utf-8')[:200]} is a variable in partitions, which is not read here; "
                    "save it by a Saver without partitions"
                )
        return {name.decode("utf-8"): self._entry(name.decode("utf-8"), fields) for name, fields in found}

    def _entry(self, name: str, fields: Fields) -> _Stored:
        shown = name[:200]
        code, shape = number(fields, 1), [number(message(each), 1) for each in _axes(fields)]
        start, size = number(fields, 4), number(fields, 5)
        if code != _TEXT:
            dtype = _DTYPES.get(code)
            if dtype is None:
                raise ValueError(f"{shown} is of TensorFlow's dtype {code}, which is not read here")
            if len(shape) > _MOST_AXES or max(shape, default=0) >= _LARGEST:
                raise ValueError(f"{shown} has a shape that no array can have")
            needed = math.prod(shape) * np.dtype(dtype).itemsize
            if needed != size or math.prod(axis or 1 for axis in shape) >= _LARGEST:
                raise ValueError(
                    f"{shown} of shape {shape} and {dtype} would have {size:,} bytes, not {needed:,}"
                )
        else:
            dtype = _TEXTS
        return _Stored(dtype, tuple(shape), number(fields, 3), start, size, number(fields, 6))

    def _refuse_objects(self) -> None:
        if _OBJECTS in self._stored:
            raise self.damage(
                "is a checkpoint of objects, as tf.train.Checkpoint and Keras of TensorFlow 2 write them, whose "
                "names are Python's attributes; save the model by Keras (model.save_weights('x.weights.h5')) or the "
                "variables by tf.compat.v1.train.Saver"
            )

    def _check_places(self) -> None:
        """Refuse a shard that is missing, bytes that are not in it, and bytes that two tensors share."""
        for shard, entries in itertools.groupby(
            sorted(self._stored.items(), key=lambda item: (item[1].shard, item[1].start, item[1].size)),
            key=lambda item: item[1].shard,
        ):
            path = self._shard(shard)
            with open_file(path) as file:
                size = os.fstat(file.fileno()).st_size
            reached = 0
            for name, entry in entries:
                if entry.start < reached:
                    raise self.damage(f"{printable(name)[:200]} begins within another tensor's bytes")
                reached = entry.start + entry.size
                if reached > size:
                    raise UnreadableFileError(
                        path,
                        f"has {size:,} bytes, and {printable(name)[:200]} ends at {reached:,}; is it cut short?",
                    )

    def _shard(self, number: int) -> Path:
        if number >= self._count:
            raise self.damage(f"names a data file {number}, and has {self._count}")
        stem = self.path.name.removesuffix(_INDEX)
        return self.path.with_name(f"{stem}.data-{number:05d}-of-{self._count:05d}")


def _axes(fields: Fields) -> list[bytes]:
    return [axis for shape in parts(fields, 2) for axis in parts(message(shape), 2)]


def is_data(path: Path) -> bool:
    """Whether a file is called as the data of a checkpoint, of which its index says what it is."""
    return _SHARD.fullmatch(path.name) is not None


def _index_of(path: Path) -> Path | None:
    """The index that is meant by a prefix, an index, a data file or a folder with one checkpoint."""
    if path.is_dir():
        found = sorted(each for each in path.glob(f"*{_INDEX}") if _ends_as_an_index(each))
        if len(found) > 1:
            latest = [each for each in found if each.name == f"{_named_latest(path)}{_INDEX}"]
            names = ", ".join(printable(each.name.removesuffix(_INDEX)) for each in found[:10])
            if not latest:
                raise UnreadableFileError(path, f"has {len(found)} checkpoints ({names}); name one of them")
            found = latest
        return found[0] if found else None
    shard = _SHARD.fullmatch(path.name)
    near = path.with_name(f"{shard[1] if shard else path.name}{_INDEX}")
    return next((each for each in (path, near) if _ends_as_an_index(each)), None)


def _named_latest(folder: Path) -> str:
    """The prefix in the file ``checkpoint``; of its path, which may be the author's own, the last part alone."""
    listed = folder / "checkpoint"
    if not listed.is_file():
        return ""
    text = read_file(listed, most=1_000_000, remedy="TensorFlow writes some lines there").decode(
        "utf-8", "replace"
    )
    named = re.search(r'^model_checkpoint_path:\s*"([^"\n]*)"', text, re.MULTILINE)
    return re.split(r"[/\\]", named[1])[-1] if named else ""


def _ends_as_an_index(path: Path) -> bool:
    if not path.is_file():
        return False
    with open_file(path) as file, reading(path):
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(MAGIC)))
        return file.read(len(MAGIC)) == MAGIC
