"""Examples that were made elsewhere: which feature feeds which input, and whether it fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import Array, DataDescription, Dataset, Example, example_bytes
from zoo_common.data.generated import id_limits
from zoo_common.data.reader import Wanted, open_data
from zoo_common.data.records import Records, open_records
from zoo_spec.base import Spec
from zoo_spec.data import PreparedData
from zoo_spec.data.records import Features, Record
from zoo_spec.errors import InputError
from zoo_spec.tensors import TensorSpec

Values = NDArray[np.generic]

USUAL: dict[str, tuple[str, ...]] = {
    "token_type_ids": ("segment_ids",),
    "example_ids": ("attention_mask", "input_mask"),
    "positions": ("position_ids",),
    "masked_positions": ("masked_lm_positions",),
    "masked_ids": ("masked_lm_ids", "labels"),
    "masked_weights": ("masked_lm_weights",),
    "next_sentence_labels": ("next_sentence_label",),
    "sentence_positions": ("cls_indices",),
    "labels": ("label_ids", "label", "mask"),
    "label_weights": ("loss_mask", "cls_weights", "attention_mask", "input_mask"),
    "decoder_example_ids": ("decoder_attention_mask", "decoder_mask"),
}
"""What google-research/bert and the zoos that follow it call what feeds an input, the likeliest name first."""


class _Learned(Spec):
    read: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


class PreparedExamples(Dataset):
    """The features of records as the model's inputs, in the same shapes in all."""

    def __init__(self, records: Records, fitting: Fitting) -> None:
        self._records, self._fitting = records, fitting

    def __len__(self) -> int:
        return len(self._records)

    def description(self) -> DataDescription:
        """Where the records come from, and what of them is left out."""
        left = self._fitting.left_out(_features(self._records, 0))
        notes = (f"features that no input takes: {', '.join(left)}",) if left else ()
        return replace(
            self._records.description(), samples=len(self), bytes_per_sample=example_bytes(self), notes=notes
        )

    def example(self, epoch: int, index: int) -> Example:
        """One example, the same in every epoch."""
        return self._fitting.example(_features(self._records, index))


class Fitting:
    """From features to inputs; what the first record has decides which features and which sizes."""

    def __init__(self, wanted: Wanted, names: Mapping[str, str]) -> None:
        """Raises InputError for ``names`` of what is no input."""
        self._inputs = wanted.graph.inputs
        self._limits = id_limits(wanted.graph, {})
        self._stated = names
        self._read: dict[str, str] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        for name in names:
            if name not in self._inputs:
                raise InputError(
                    f"data.names: {name!r} is no input of {wanted.graph.name}, which has {', '.join(self._inputs)}"
                )

    name = "inputs"

    def about(self) -> JsonValue:
        """What is fed, and the ids that it takes."""
        inputs: dict[str, JsonValue] = {
            name: f"{spec}, below {self._limits.get(name)}" for name, spec in self._inputs.items()
        }
        return inputs

    def learned(self) -> JsonValue:
        """Which features are read, in which shapes."""
        return _Learned(read=self._read, shapes=self._shapes).model_dump(mode="json")

    def recall(self, learned: JsonValue) -> bool:
        """Know them again."""
        known = _Learned.model_validate_json(json.dumps(learned))
        self._read, self._shapes = known.read, known.shapes
        return True

    def look(self, record: Record) -> None:
        """Raises InputError unless the record fits."""
        self.example(cast(Features, record))

    def left_out(self, record: Features) -> list[str]:
        """The features that no input takes."""
        return sorted(record.values.keys() - self._read.values())

    def example(self, record: Features) -> Example:
        """The inputs that a record feeds; InputError for a size, a kind or an id that does not fit."""
        self._read = self._read or self._chosen(record)
        return {name: self._fed(name, feature, record) for name, feature in self._read.items()}

    def _chosen(self, record: Features) -> dict[str, str]:
        """Which feature each input is read from; a feature may feed a mask and a weight."""
        found: dict[str, str] = {}
        for name, spec in self._inputs.items():
            names = (self._stated[name],) if name in self._stated else (name, *USUAL.get(name, ()))
            there = [each for each in names if each in record.values]
            if name in self._stated and not there:
                raise InputError(
                    f"{record.where}: has no feature {names[0]!r}, which data.names reads into {name}; it has "
                    f"{', '.join(record.values)}"
                )
            fitting = [each for each in there if _shaped(record.values[each], spec) is not None]
            if fitting or there:
                found[name] = (fitting or there)[0]
        return found

    def _fed(self, name: str, feature: str, record: Features) -> Array:
        spec = self._inputs[name]
        given = record.values.get(feature)
        if given is None:
            raise InputError(f"{record.where}: has no feature {feature!r}, which the first record has")
        value = _shaped(given, spec)
        if value is None:
            raise InputError(
                f"{record.where}: the feature {feature!r} has {given.size} values, and the model's {name} is {spec}; "
                "set the model's sizes to those of the data, or data.names to another feature"
            )
        if self._shapes.setdefault(name, value.shape) != value.shape:
            raise InputError(
                f"{record.where}: the feature {feature!r} has {value.size} values, and that of the first record "
                f"{int(np.prod(self._shapes[name]))}; prepared examples have one size"
            )
        return self._in_range(name, feature, value, record)

    def _in_range(self, name: str, feature: str, value: Values, record: Features) -> Array:
        if value.dtype.kind not in "iufb":
            raise InputError(
                f"{record.where}: the feature {feature!r} holds {value.dtype}, and numbers are expected"
            )
        if self._inputs[name].dtype != "int32":
            if not np.isfinite(value).all():
                raise InputError(f"{record.where}: the feature {feature!r} holds NaN or infinity")
            return value.astype(np.float32)
        limit = self._limits.get(name, 2**31)
        numbers = value.astype(np.float64)
        wrong = numbers[(numbers < 0) | (numbers >= limit)]
        if wrong.size or (value.dtype.kind == "f" and (numbers % 1).any()):
            what = f"{wrong.flat[0]:g}" if wrong.size else "a fraction"
            raise InputError(
                f"{record.where}: the feature {feature!r} holds {what}, and {name} takes whole numbers from 0 to "
                f"{limit - 1}; take the model, or the vocabulary, that the data was made for"
            )
        return value.astype(np.int32)


def _shaped(value: Values, spec: TensorSpec) -> Values | None:
    """A feature, which files keep flat, in an input's shape without its batch; None where it does not fit."""
    shape = spec.shape[1:]
    open_sizes = [size for size in shape if isinstance(size, str)]
    known = int(np.prod([size for size in shape if isinstance(size, int)], dtype=np.int64))
    if len(open_sizes) > 1:
        return value if value.ndim == len(shape) else None
    if not open_sizes:
        return value.reshape([int(size) for size in shape]) if value.size == known else None
    if not value.size or value.size % known or (known == 1 and value.size == 1 and value.ndim == 0):
        return None
    return value.reshape([-1 if isinstance(size, str) else size for size in shape])


def _features(records: Records, index: int) -> Features:
    return cast(Features, records[index])


@open_data.register
def _prepared(data: PreparedData, wanted: Wanted) -> PreparedExamples:
    fitting = Fitting(wanted, data.names)
    return PreparedExamples(open_records(data, wanted.split, fitting, wanted), fitting)
