"""Slots and the flat fields that fill them: when both are given, which one counts, and when that is an error.

``slots`` is a family's ``{slot: {flat field: field of the slot's block}}``. A slot fills what it leaves out
from the flat fields; what it states itself wins. Stating both at once leaves a reader in doubt, so within one
layer (a file, the command line) it is an error; a later layer may refine what it inherits, as long as what it
says has an effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zoo_spec.blocks.base import Block
from zoo_spec.errors import Problem
from zoo_spec.registry import class_of
from zoo_spec.spec_files.merge import Layer, merge
from zoo_spec.values import Value, quoted

Slots = Mapping[str, Mapping[str, str]]
MODEL = "model"


def check_slot_conflicts(layers: Sequence[Layer], slots: Slots) -> list[Problem]:
    """What is wrong in ``layers``' models; each layer inherits from the ones before it."""
    problems: list[Problem] = []
    inherited = Layer()
    for layer in layers:
        model = _below(layer.mapping, MODEL)
        if "kind" in model and model["kind"] != _below(inherited.mapping, MODEL).get("kind"):
            inherited = Layer()  # Another family, which inherits nothing.
        for slot, fills in slots.items():
            given = {flat: field for flat, field in fills.items() if model.get(flat) is not None}
            for flat, field in given.items():
                message = _within(layer, slot, flat, field) or _across(inherited, slot, flat, field)
                problems += [layer.problem(message, (MODEL, flat))] if message else []
        inherited = merge(inherited, layer)
    return problems


def replaced_flat_fields(mapping: Mapping[str, Value], slots: Slots) -> dict[str, str]:
    """The flat fields whose place a slot takes, by what it states or what its kind is: ``{flat: slot}``."""
    model = _below(mapping, MODEL)
    return {
        flat: slot
        for slot, fills in slots.items()
        for flat, field in fills.items()
        if field in _below(model, slot) or not _fills(_below(model, slot), field)
    }


def replacement_notes(merged: Layer, slots: Slots) -> list[str]:
    """A sentence for each flat field that was given and that a slot of a later layer replaces."""
    model = _below(merged.mapping, MODEL)
    return [
        f"{MODEL}.{slot} ({merged.origin((MODEL, slot))}) replaces "
        f"{MODEL}.{flat} {quoted(model[flat])} ({merged.origin((MODEL, flat))})"
        for flat, slot in replaced_flat_fields(merged.mapping, slots).items()
        if model.get(flat) is not None
    ]


def _within(layer: Layer, slot: str, flat: str, field: str) -> str:
    own = _below(_below(layer.mapping, MODEL), slot)
    if "kind" not in own and field not in own:
        return ""
    where = layer.origin((MODEL, slot))
    message = f"'{flat}' and the slot '{slot}' ({where}), which replaces it, are both given"
    if not _fills(own, field):
        return f"{message}; leave '{flat}' out, for a {own['kind']} has no {field}"
    return f"{message}; leave '{flat}' out and set {MODEL}.{slot}.{field}"


def _across(inherited: Layer, slot: str, flat: str, field: str) -> str:
    below = _below(_below(inherited.mapping, MODEL), slot)
    if field in below:
        where = inherited.origin((MODEL, slot, field))
        return (
            f"'{flat}' would have no effect: the slot '{slot}' states its own {field} ({where}); "
            f"set {MODEL}.{slot}.{field} instead"
        )
    if not _fills(below, field):
        where = inherited.origin((MODEL, slot, "kind"))
        holds = f"holds a {below['kind']} ({where}), which has no {field}"
        return f"'{flat}' would have no effect: the slot '{slot}' {holds}; leave '{flat}' out"
    return ""


def _fills(block: Mapping[str, Value], field: str) -> bool:
    """Whether a flat field could fill this field of the block, as it can in the default one."""
    kind = block.get("kind")
    found = class_of(Block, kind) if isinstance(kind, str) else None
    return found is None or field in found.model_fields


def _below(mapping: Mapping[str, Value], key: str) -> dict[str, Value]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}
