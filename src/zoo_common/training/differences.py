"""Which fields keep a run from going on with another spec."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

Fields: TypeAlias = Mapping[str, JsonValue]
"""A resolved spec as nested mappings."""

_FREE = {
    *("training.log_every", "training.save_every", "training.evaluate_every"),
    *("training.execution", "training.memory_limit", "training.sharding", "training.compile"),
}
_FREE_GROUPS = ("data.limits.", "data.prepared", "training.initialize_from", "training.fit_weights.")
"""How much is read, where what was made of it lies, and with what a run began: its record holds whoever goes on to
that."""
_MAY_RISE = "training.steps"
_CHANGEABLE = (
    "training.optimizer.",
    "training.schedule.",
    "training.steps",
    "training.micro_batch_size",
    "training.rate_multipliers",
    "training.layer_decay",
)
_KEEPS_STATE = ("training.optimizer.kind", "training.optimizer.momentum")
"""What the optimizer's state in a checkpoint depends on."""


@dataclass(frozen=True)
class Difference:
    """A field by its path, and a line with both of its values."""

    path: str
    line: str

    @property
    def is_of_use(self) -> bool:
        """Whether it is of what is done with a model, and not of the model."""
        return self.path.startswith(("data.", "training.", "name"))

    @property
    def may_be_accepted(self) -> bool:
        """Whether it is of how to train on, not of what is trained."""
        return self.path.startswith(_CHANGEABLE) and self.path not in _KEEPS_STATE


def differences(old: Fields, new: Fields) -> list[str]:
    """What keeps a run of spec ``old`` from going on with spec ``new``: a line a field, with both values."""
    return [each.line for each in compared(old, new)]


def compared(old: Fields, new: Fields) -> list[Difference]:
    """Every field on which they differ.

    How often to log, save and evaluate, how it is executed and how much is read of a file may change, and
    ``training.steps`` may rise.
    Where its weights began is held against its record (``origin.py``).
    """
    before, after = dict(leaves(old)), dict(leaves(new))
    found = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path, "absent"), after.get(path, "absent")
        if was == now or path in _FREE or path.startswith(_FREE_GROUPS):
            continue
        note = ""
        if path == _MAY_RISE:
            if _rises(old, new):
                continue
            note = " (it may be raised, not lowered)"
        found.append(Difference(path, f"{path}: {was} in the run, {now} now{note}"))
    return found


def leaves(value: JsonValue | Fields, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value by its dotted path, a kind first, as JSON text, so that 1 and true are told apart."""
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in sorted(value.items(), key=lambda item: item[0] != "kind"):
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, json.dumps(value)


def _rises(old: Fields, new: Fields) -> bool:
    steps = []
    for spec in (old, new):
        training = spec.get("training")
        value = training.get("steps") if isinstance(training, Mapping) else None
        steps.append(value if isinstance(value, int) else None)
    was, now = steps
    return was is not None and now is not None and now >= was
