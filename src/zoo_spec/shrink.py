"""The same architecture at a small size, for the parity suite and for trying things."""

from __future__ import annotations

from zoo_spec.data import GeneratedData
from zoo_spec.experiment import ExperimentSpec, Json


def shrunk(spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with its family's ``small`` sizes where they are smaller, on generated data.

    Wiring, kinds, constants and training stay as they are. A composed graph keeps its sizes.
    """
    values = spec.resolved()
    model = values["model"]
    assert isinstance(model, dict)
    family = type(spec.model)
    for name, size in family.small.items():
        current = getattr(spec.model, name)
        chosen = size[: len(current)] if isinstance(size, tuple) and isinstance(current, tuple) else size
        if current > chosen or isinstance(current, tuple):
            _set(model, family.slots, name, list(chosen) if isinstance(chosen, tuple) else chosen)
    values["data"] = GeneratedData(samples=64).model_dump(mode="json")
    return ExperimentSpec.model_validate(_tuples(values))


def _set(model: dict[str, Json], slots: object, name: str, size: Json) -> None:
    """Set a flat field, in the slot that it fills if there is one."""
    assert isinstance(slots, dict)
    for slot, fills in slots.items():
        block = model.get(slot)
        if name in fills and isinstance(block, dict):
            if fills[name] in block:
                block[fills[name]] = size
            return
    model[name] = size


def _tuples(value: object) -> object:
    """Lists as tuples, as specs are strict about."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
