"""A checkpoint of a model that is divided over replicas: each writes its own tensors, all at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import State
from zoo_common.checkpoint import CheckpointStore, Records, needed_bytes
from zoo_common.checkpoint.manifest import FileRecord
from zoo_common.replicas import Replicas, all_do, gathered, told


def save_parts(
    replicas: Replicas,
    store: CheckpointStore,
    state: State,
    rest: Mapping[str, JsonValue],
    spec_hash: str,
) -> Path:
    """Save what all replicas have together, and return the checkpoint's directory, which replica 0 begins and ends.

    Until all have written theirs the older checkpoints are untouched, and a failure of one leaves nothing behind.
    Errors are those of ``CheckpointStore.save``, on all replicas.
    """
    own = needed_bytes(state.weights, state.optimizer, rest)
    needed = sum(int(str(each)) for each in gathered(replicas, own))
    with ExitStack() as held:
        begun = store.saving(state.step, needed) if replicas.rank == 0 else None
        saving = all_do(replicas, lambda: None if begun is None else held.enter_context(begun))
        part = store.partial(state.step)
        mine = all_do(replicas, lambda: part.write_part(replicas.rank + 1, state.weights, state.optimizer))
        records = _together(replicas, mine)
        path = all_do(
            replicas, lambda: "" if saving is None else str(saving.finish(records, rest, spec_hash))
        )
        return Path(str(told(replicas, path)))


def _together(replicas: Replicas, mine: Records) -> Records:
    """The records of all replicas' files."""
    found: Records = {}
    for each in gathered(replicas, {name: record.model_dump() for name, record in mine.items()}):
        assert isinstance(each, dict)
        found |= {name: FileRecord.model_validate(record) for name, record in each.items()}
    return found
