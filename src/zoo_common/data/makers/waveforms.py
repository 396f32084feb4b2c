"""What both tasks on speech make of utterances: how long a waveform may be, and its frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from zoo_common.data.base import Array
from zoo_common.data.reader import Wanted
from zoo_common.data.records import Chosen, Records
from zoo_common.log import LOG
from zoo_spec.data import UtteranceData
from zoo_spec.data.records import Record, Utterance
from zoo_spec.data_fit import longest_waveform
from zoo_spec.errors import InputError
from zoo_spec.tensors import Windows


def utterance_data(wanted: Wanted) -> UtteranceData:
    """The spec's data; InputError for a source of utterances that does not say how speech becomes examples."""
    data = wanted.spec.data
    if not isinstance(data, UtteranceData):
        raise InputError(
            f"data of kind {data.kind!r} gives utterances and does not say how they become examples: its class has "
            "to derive from zoo_spec.data.UtteranceData"
        )
    return data


def longest(wanted: Wanted) -> int:
    """Samples of an example, as the data says and the model takes them."""
    return longest_waveform(utterance_data(wanted), wanted.graph)


def frames_of(wanted: Wanted) -> Windows:
    """Which samples each frame of the model's is made of; InputError for a model without frames."""
    logits = wanted.graph.outputs.get("logits")
    frames = None if logits is None or logits.rank != 3 else logits.shape[1]
    if not isinstance(frames, Windows) or frames.source != "samples":
        raise InputError(
            f"{wanted.graph.name} has no output logits [batch, frames, …] over the frames of a waveform; set "
            "data.kind to what it reads"
        )
    return frames


def fed(samples: Array) -> dict[str, Array]:
    """``waveform`` and ``sample_ids`` ``[samples]``."""
    return {"waveform": samples, "sample_ids": np.ones(len(samples), np.int32)}


def utterance(record: Record) -> Utterance:
    """The record, as what it is."""
    return cast(Utterance, record)


def without(records: Records, left_out: Callable[[Utterance], bool], why: str) -> Records:
    """The records but for some, whose number is logged; InputError where nothing is left."""
    kept = [index for index in range(len(records)) if not left_out(utterance(records[index]))]
    count = len(records) - len(kept)
    if not count:
        return records
    said = f"{records.description().source}: {count:,} of {len(records):,} utterances {why}"
    if not kept:
        raise InputError(f"{said}, and none is left; see data.waveform_samples and data.least_samples")
    LOG.warning(f"{said}, and are left out")
    return Chosen(records, np.asarray(kept, np.int64))
