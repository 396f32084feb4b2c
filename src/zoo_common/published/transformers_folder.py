"""Folders as ``transformers`` and the hub have them: ``config.json`` beside the tensors of a state dict."""

from __future__ import annotations

import math
from collections.abc import Collection

from pydantic import JsonValue

from zoo_common.published.place import Box, Place
from zoo_common.published.source import Published, as_values, families_in, of_no_tensors, unknown_type
from zoo_common.published.tensorflow_names import TorchNamed
from zoo_common.weights import WeightSource
from zoo_spec.errors import InputError
from zoo_spec.foreign.names import NameTable
from zoo_spec.models.base import Model
from zoo_spec.reading import printable

SOURCE = "transformers"
CONFIG = "config.json"
_REFUSED = {
    "fsmt": "each language has a table of its own there, and the output another; fairseq's own file is read",
}
"""Families that are near ones that are read, and why they are not."""
_FORMATS = ("safetensors", "torch", "h5")
"""Which is preferred, of several that hold the same."""
_SMALL = 4096
"""Values of a tensor that is compared between two files."""
_SHOWN = 5


def recognise(place: Place) -> Published | None:
    """What such a folder holds; None for what is none."""
    config = place.json(CONFIG)
    if config is None or "registered_name" in config:
        return None
    where = printable(place.folder / CONFIG)
    boxes = [box for box in place.boxes if place.kind(box) in _FORMATS]
    if not boxes:
        return None
    family = _told_family(config, where)
    box, family = _chosen(place, boxes, family, where)
    said = config.get("architectures")
    # TensorFlow's classes have the heads of torch's.
    named = tuple(str(each).removeprefix("TF") for each in said) if isinstance(said, list) else ()
    notes = of_no_tensors(place.tensors(box))
    return Published(
        SOURCE, family, config, where, _tensors(place, box), box.files, place.folder, named, notes
    )


def _tensors(place: Place, box: Box) -> WeightSource:
    """A box' tensors, as torch names them."""
    found = place.tensors(box)
    return TorchNamed(found) if box.format == "h5" else found


def _told_family(config: dict[str, JsonValue], where: str) -> type[Model] | None:
    """The family that a configuration names, by its type or by a class; None where it names none."""
    known = families_in(SOURCE)
    said = config.get("model_type")
    if said:
        if isinstance(said, str) and said in _REFUSED:
            raise InputError(f"{where}: model_type is {said!r}, which is not read: {_REFUSED[said]}")
        if not isinstance(said, str) or said not in known:
            raise unknown_type(said, where, SOURCE)
        return known[said]
    named = config.get("architectures")
    classes = [str(each).removeprefix("TF") for each in named] if isinstance(named, list) else []
    return next((cls for cls in known.values() if cls.foreign_configs()[SOURCE].class_of(classes)), None)


def _chosen(
    place: Place, boxes: list[Box], family: type[Model] | None, where: str
) -> tuple[Box, type[Model]]:
    """Which box holds the model, and of which family it is.

    A file that cannot be read is passed over beside a better one that can: a trainer leaves its own state there.
    """
    told: list[tuple[Box, type[Model]]] = []
    problems: list[tuple[int, InputError]] = []
    for box in sorted(boxes, key=lambda box: _FORMATS.index(place.kind(box))):
        try:
            tensors = _tensors(place, box)
        except InputError as error:
            problems.append((_FORMATS.index(place.kind(box)), error))
            continue
        if family is None:
            told += [(box, each) for each in _families(tensors, where)]
        elif _shares(family, tensors):
            told.append((box, family))
    rank = _FORMATS.index(place.kind(told[0][0])) if told else len(_FORMATS)
    for preferred, problem in problems:
        if preferred < rank:
            raise problem
    if not told:
        others = sorted({name for box in boxes for name in _looks_like(_tensors(place, box))})
        hint = f"; they look like {' or '.join(others)}'s" if others else ""
        kind = (
            family.foreign_configs()[SOURCE].model_type if family is not None else "any family that is read"
        )
        raise InputError(
            f"{where}: is a configuration of {kind}, and no tensor beside it has a name of that{hint}; put the "
            "configuration and the weights together that belong together"
        )
    _require_one(place, [box for box, _ in told])
    return told[0]


def _require_one(place: Place, boxes: list[Box]) -> None:
    """Raise InputError where two boxes hold something else; the first is taken of those that hold the same."""
    first = boxes[0]
    for other in boxes[1:]:
        difference = _difference(_tensors(place, first), _tensors(place, other))
        if difference:
            raise InputError(
                f"{printable(place.path)}: {first.path.name} and {other.path.name} hold different weights "
                f"({difference}); name the file that is meant, or its format with --format"
            )


def _difference(one: WeightSource, other: WeightSource) -> str:
    """What tells two containers apart: a shape, or a value of a small tensor; names that one lacks are often tied."""
    common = [name for name in one if name in other]
    if not common:
        return ""
    for name in common:
        if one.entries[name].shape != other.entries[name].shape:
            return (
                f"{printable(name)} is {list(one.entries[name].shape)} and {list(other.entries[name].shape)}"
            )
    for name in common:
        shape, dtypes = one.entries[name].shape, {one.entries[name].dtype, other.entries[name].dtype}
        if (
            math.prod(shape) <= _SMALL
            and len(dtypes) == 1
            and one.read(name).tobytes() != other.read(name).tobytes()
        ):
            return f"values of {printable(name)}"
    return ""


def _table(family: type[Model]) -> NameTable:
    """The names of a model of the family of any size; patterns are the same for all."""
    fields = family.foreign_configs()[SOURCE].usual_model()
    said = as_values({"kind": family.model_fields["kind"].default, **fields})
    return family.model_validate(said).foreign_names()[SOURCE]


def _shares(family: type[Model], names: Collection[str]) -> bool:
    table = _table(family)
    return any(table.place(table.current(name)) is not None for name in names)


def _families(names: Collection[str], where: str) -> list[type[Model]]:
    """The one family whose names these are; InputError where several might be meant."""
    found = _looks_like(names)
    if len(found) > 1:
        raise InputError(
            f"{where}: has no model_type, and names of tensors as {', '.join(sorted(found))} have; add it"
        )
    return list(found.values())


def _looks_like(names: Collection[str]) -> dict[str, type[Model]]:
    """The families that know most of the names, of those whose prefix is there if one's is."""
    counts = {}
    for kind, family in families_in(SOURCE).items():
        table = _table(family)
        current = [table.current(name) for name in names]
        known = sum(table.place(name) is not None for name in current)
        counts[kind] = (known, table.is_prefixed(current), family)
    most = max(((known, prefixed) for known, prefixed, _ in counts.values()), default=(0, False))
    if not most[0]:
        return {}
    return {kind: family for kind, (known, prefixed, family) in counts.items() if (known, prefixed) == most}
