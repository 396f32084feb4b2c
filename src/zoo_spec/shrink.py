"""The same architecture at a small size, for the parity suite and for trying things."""

from __future__ import annotations

from itertools import cycle

from pydantic import ValidationError

from zoo_spec.data import GeneratedData
from zoo_spec.experiment import ExperimentSpec, Json


def shrunk(spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with its family's ``small`` sizes where they are smaller, on generated data.

    Wiring, kinds, constants and training stay as they are. A composed graph keeps its sizes, and so does a
    model that these sizes do not fit, being smaller already in some.
    """
    values = spec.resolved()
    model = values["model"]
    assert isinstance(model, dict)
    family = type(spec.model)
    for name, size in family.small.items():
        _set(model, family.slots, name, _smaller(getattr(spec.model, name), size))
    data = GeneratedData(samples=64)
    values["data"] = data.model_dump(mode="json")
    try:
        return ExperimentSpec.model_validate(_tuples(values))
    except ValidationError:
        return spec.model_copy(update={"data": data})


def _smaller(current: int | tuple[int, ...], size: int | tuple[int, ...]) -> Json:
    """``size`` where it is smaller than ``current``; a tuple keeps its length, and ``size`` starts over."""
    if isinstance(current, int):
        assert isinstance(size, int)
        return min(current, size)
    return [
        min(pair) for pair in zip(current, cycle((size,) if isinstance(size, int) else size), strict=False)
    ]


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
