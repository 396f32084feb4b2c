"""``attention_mask``, as ``transformers`` has it: 1 at tokens and 0 at padding, which is our ``example_ids``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo_common.backend import Array, Batch
from zoo_spec.blocks.position import OffsetPositions
from zoo_spec.errors import InputError
from zoo_spec.graph import Graph

MASKS: Mapping[str, tuple[str, ...]] = {
    "attention_mask": ("example_ids", "sample_ids"),
    "decoder_attention_mask": ("decoder_example_ids",),
}
"""What each mask is called there, and here: of tokens, or of a waveform's samples; of the target's tokens."""


def with_examples(batch: Batch, graph: Graph) -> Batch:
    """The batch with masks under our names, where the graph has no input of theirs.

    Raises InputError for a mask beside what it stands for, one that is not [batch, length] of 0 and 1, and one
    that would mean something else here.
    """
    found = dict(batch)
    for mask, names in MASKS.items():
        if mask not in batch or mask in graph.inputs:
            continue
        name = next((name for name in names if name in graph.inputs), None)
        if name is None:
            raise InputError(
                f"a batch gives {mask}, and {graph.name} has no padding to be told of; leave it out: its inputs are "
                f"{', '.join(graph.inputs)}"
            )
        if name in batch:
            raise InputError(f"a batch gives both {mask} and {name}, which say the same; give one of them")
        _check(mask, name, found.pop(mask), graph)
        found[name] = np.asarray(batch[mask], np.int32)
    return found


def _check(mask: str, name: str, value: Array, graph: Graph) -> None:
    if value.ndim != 2:
        met = ", ".join(map(str, value.shape))
        raise InputError(
            f"a batch's {mask} is [{met}]; give [batch, length], 1 at what is there and 0 at padding, or several "
            f"examples in a row by {name}"
        )
    wrong = np.argwhere((value != 0) & (value != 1))
    if len(wrong):
        raise InputError(
            f"a batch's {mask} of example {int(wrong[0][0])} has {value[tuple(wrong[0])]}; it is 1 at what is there "
            f"and 0 at padding; several examples in a row are {name}, from 1"
        )
    ahead = np.flatnonzero((np.diff(np.asarray(value, np.int64)) > 0).any(axis=1))
    # There they count tokens alone, here places, unless they are given.
    if len(ahead) and any(isinstance(place.block, OffsetPositions) for place in graph.places()):
        raise InputError(
            f"a batch's {mask} of example {int(ahead[0])} has padding before tokens, where transformers would count "
            f"{graph.name}'s positions from the first token; put the padding at the end, or give {name} and positions"
        )
