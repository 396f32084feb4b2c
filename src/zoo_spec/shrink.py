"""The same architecture at a small size, for the parity suite and for trying things."""

from __future__ import annotations

from itertools import cycle

from pydantic import ValidationError

from zoo_spec.data import GeneratedData
from zoo_spec.errors import SpecError
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
        slot, _, field = name.rpartition(".")
        if slot:
            _set_inside(model, slot, field, size)
            continue
        current = getattr(spec.model, name)
        if current is not None:
            _set(model, family.slots, name, _smaller(current, size))
    data = GeneratedData(samples=64)
    values["data"] = data.model_dump(mode="json")
    try:
        small = ExperimentSpec.model_validate(_tuples(values))
        small.graph()
        return small
    except (ValidationError, SpecError):
        return spec.model_copy(update={"data": data})


def _smaller(current: int | tuple[int, ...], size: int | tuple[int, ...]) -> Json:
    """``size`` where it is smaller than ``current``; a tuple keeps its length, and ``size`` starts over."""
    if isinstance(current, int):
        assert isinstance(size, int)
        return min(current, size)
    return [
        min(pair) for pair in zip(current, cycle((size,) if isinstance(size, int) else size), strict=False)
    ]


def _set_inside(model: dict[str, Json], slot: str, field: str, size: int | tuple[int, ...]) -> None:
    """Set a field of the block in a slot, if there is one that has it."""
    block = model.get(slot)
    if isinstance(block, dict) and isinstance(current := block.get(field), int):
        block[field] = _smaller(current, size)


def _set(model: dict[str, Json], slots: object, name: str, size: Json) -> None:
    """Set a flat field, in the slots that it fills if there are any."""
    assert isinstance(slots, dict)
    filled = [(model.get(slot), fills[name]) for slot, fills in slots.items() if name in fills]
    blocks = [(block, field) for block, field in filled if isinstance(block, dict)]
    for block, field in blocks:
        if field in block:
            block[field] = size
    if not blocks:
        model[name] = size


def _tuples(value: object) -> object:
    """Lists as tuples, as specs are strict about."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
