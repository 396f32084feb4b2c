"""Examples for HuBERT's pre-training: part of a waveform, its units, and which frames the model does not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zoo_common.data.base import Array, DataDescription, Dataset, Example, Padding, Split, example_bytes
from zoo_common.data.examples import make_examples
from zoo_common.data.kept_arrays import Keep, in_memory, kept_for, lengths_of
from zoo_common.data.makers.span_masks import span_mask
from zoo_common.data.makers.waveforms import (
    fed,
    frames_of,
    heard_samples,
    longest,
    utterance,
    utterance_data,
    without,
)
from zoo_common.data.reader import Wanted
from zoo_common.data.records import AnyRecord, Records, open_records
from zoo_common.data.sounds import heard, require_rate
from zoo_spec.data import UtteranceData
from zoo_spec.data.records import Record, Utterance
from zoo_spec.data_fit import label_count
from zoo_spec.errors import InputError
from zoo_spec.random import Stream
from zoo_spec.tasks.masked_unit_prediction import MaskedUnitPrediction
from zoo_spec.tensors import Windows

_TOLERANCE = 0.1
"""Seconds by which the units of an utterance may be longer or shorter than its sound, as fairseq has it."""


class UnitExamples(Dataset):
    """``waveform``, ``sample_ids`` ``[samples]``, ``labels``, ``label_weights``, ``frame_mask`` ``[frames]``.

    A longer utterance is cut to ``samples``, anew in each epoch, and its units alike. A frame's label is the unit at
    its beginning; ``label_weights`` are 1 where a frame is hidden.
    """

    def __init__(
        self,
        records: Records,
        data: UtteranceData,
        frames: Windows,
        *,
        samples: int,
        seed: int,
        split: Split,
        inputs: frozenset[str],
        keep: Keep = in_memory,
    ) -> None:
        self._keep = keep
        self._records, self._data, self._frames = records, data, frames
        self._samples, self._seed, self._split, self._inputs = samples, seed, split, inputs

    def __len__(self) -> int:
        return len(self._records)

    def description(self) -> DataDescription:
        """Where the records come from, and how large the examples are."""
        return replace(self._records.description(), samples=len(self), bytes_per_sample=example_bytes(self))

    def padding(self) -> Padding:
        """To the longest waveform and its frames."""
        by_frames = dict.fromkeys(("labels", "label_weights", "frame_mask"), self._frames)
        dimensions = {"waveform": "samples", "sample_ids": "samples", **by_frames}
        return Padding(dimensions, {"samples": self._samples})

    def lengths(self) -> Mapping[str, NDArray[np.int32]]:
        """Samples of each utterance, or of the part that an epoch has of it."""
        found = lengths_of(self._keep("lengths", partial(heard_samples, self._records)))
        return {"samples": np.minimum(found["samples"], self._samples)}

    def example(self, epoch: int, index: int) -> Example:
        """One part of an utterance."""
        data, record = self._data, utterance(self._records[index])
        stream = Stream(self._seed, "units", self._split, epoch, index)
        length = record.sound.length
        start = stream.integer(length - self._samples + 1) if length > self._samples else 0
        stop = min(start + self._samples, length)
        count = self._frames.fitting(stop - start)
        labels = aligned(units_of(record), record.unit_rate, data.rate, self._frames, start, count)
        hidden = span_mask(
            stream,
            len(labels),
            probability=data.mask_probability,
            length=data.mask_length,
            least=data.min_masks,
        )
        example = fed(heard(record.sound, data, start, stop))
        # Frames behind the last unit have no label; fairseq cuts them off.
        example["labels"] = _filled(labels.astype(np.int32), count)
        example["label_weights"] = _filled(hidden.astype(np.float32), count)
        example["frame_mask"] = _filled(hidden.astype(np.int32), count)
        return {name: value for name, value in example.items() if name in self._inputs}


def aligned(
    units: NDArray[np.int32], unit_rate: int, rate: int, frames: Windows, start: int, count: int
) -> NDArray[np.int32]:
    """The units ``[frames]`` of ``count`` frames from the sample ``start`` on; fewer where the units end before.

    As in fairseq: the first is the one nearest to ``start``, and frame ``n`` is as many units later as pass in ``n``
    strides, rounded down.
    """
    first = round(start * unit_rate / rate)
    places = first + np.arange(count, dtype=np.int64) * (unit_rate * frames.stride) // rate
    return units[places[places < len(units)]]


def units_of(record: Utterance) -> NDArray[np.int32]:
    """The hidden units; InputError where nobody has said."""
    if record.units is None:
        raise InputError(
            f"{record.where}: has no hidden units; name a source that has them (data.kind audio_manifest with a .km "
            "file), or set task.kind to ctc"
        )
    return record.units


def _filled(values: Array, count: int) -> Array:
    return np.pad(values, (0, count - len(values)))


class _Heard(AnyRecord):
    """Looks at whether units fit the sounds that they are of."""

    name = "units"

    def __init__(self, data: UtteranceData, classes: int) -> None:
        self._data, self._classes = data, classes

    def about(self) -> JsonValue:
        """How many units there are."""
        return self._classes

    def look(self, record: Record) -> None:
        """Raises InputError, naming the place, for units that are none, or not of this sound."""
        data, classes, spoken = self._data, self._classes, utterance(record)
        require_rate(spoken.sound, data, spoken.where)
        units = units_of(spoken)
        if units.size and not 0 <= int(units.min()) <= int(units.max()) < classes:
            wrong = int(units[(units < 0) | (units >= classes)][0])
            raise InputError(f"{spoken.where}: has the unit {wrong}, and task.units is {classes}; raise it")
        seconds, told = spoken.sound.length / data.rate, len(units) / spoken.unit_rate
        if abs(seconds - told) > _TOLERANCE:
            raise InputError(
                f"{spoken.where}: has {spoken.sound.length:,} samples, {seconds:.2f} s, and {len(units):,} units, "
                f"which are {told:.2f} s at {spoken.unit_rate} a second; set data.unit_rate (100 for units of MFCC, "
                "50 for those of HuBERT's layers), or give the units of this sound"
            )


@make_examples.register
def _units(task: MaskedUnitPrediction, wanted: Wanted) -> UnitExamples:
    data, frames = utterance_data(wanted), frames_of(wanted)
    least = max(
        data.least_samples, frames.size + frames.stride
    )  # Two frames: one that is hidden and one that is not.
    records = open_records(data, wanted.split, _Heard(data, label_count(wanted.graph) or task.units), wanted)
    keep = kept_for(wanted, least)
    records = without(
        records,
        lambda each: each.sound.length < least,
        f"are shorter than {least:,} samples (data.least_samples)",
        keep,
    )
    return UnitExamples(
        records,
        data,
        frames,
        samples=longest(wanted),
        seed=wanted.seed,
        split=wanted.split,
        inputs=wanted.inputs,
        keep=keep,
    )
