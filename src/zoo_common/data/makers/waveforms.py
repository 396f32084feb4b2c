"""What both tasks on speech make of utterances: how long a waveform may be, and its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np

from zoo_common.data.base import Array
from zoo_common.data.kept_arrays import Block, Keep, chosen_of
from zoo_common.data.lengths import AT_ONCE
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


def without(
    records: Records, left_out: Callable[[Utterance], bool], why: str, keep: Keep, name: str = "fitting"
) -> Records:
    """The records but for some, whose number is logged; InputError where nothing is left."""
    kept = chosen_of(len(records), lambda index: not left_out(utterance(records[index])), keep, name)
    count = len(records) - len(kept)
    if not count:
        return records
    said = f"{records.description().source}: {count:,} of {len(records):,} utterances {why}"
    if not len(kept):
        raise InputError(f"{said}, and none is left; see data.waveform_samples and data.least_samples")
    LOG.warning(f"{said}, and are left out")
    return Chosen(records, kept)


def heard_samples(records: Records) -> Iterator[Block]:
    """The lengths of utterances, in blocks."""
    for start in range(0, len(records), AT_ONCE):
        some = range(start, min(start + AT_ONCE, len(records)))
        lengths = [utterance(records[index]).sound.length for index in some]
        yield {"samples": np.asarray(lengths, np.int32)}
