"""What every family declares: its fields, the slots that they fill, and the graph that it builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import model_validator

from zoo_spec.blocks.base import Block
from zoo_spec.blocks.norm import Norm
from zoo_spec.foreign_names import NameTable
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.initializers import AnyInitializer
from zoo_spec.registry import Registered, classes


@dataclass(frozen=True)
class Backbone:
    """What a family offers to the tasks; a task that needs what is missing does not fit it.

    ``hidden_states [batch, sequence, hidden]``; ``table``, the token embedding; ``pooled`` and ``features``
    ``[batch, features]`` are made when a task first asks; ``norm`` and ``activation`` are the family's own,
    for heads that repeat them.
    """

    initializer: AnyInitializer
    hidden_states: Ref | None = None
    table: Ref | None = None
    pooled: Callable[[], Ref] | None = None
    features: Callable[[], Ref] | None = None
    norm: Norm | None = None
    activation: str | None = None
    dropout: float = 0.0


class Model(Registered):
    """A family of architectures.

    ``slots`` says which flat field fills which field of the block in a slot: ``{slot: {flat: field}}``. A
    slot's mapping may leave out what a flat field gives; what it states itself wins, and the flat field then
    shows the same value. ``slot_defaults`` are flat fields that a block takes over wherever it has a field of
    that name and does not state it. ``slot_kinds`` is the kind that stands in a slot where none is named.
    """

    role: ClassVar[str] = "model"
    slots: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    slot_defaults: ClassVar[tuple[str, ...]] = ()
    slot_kinds: ClassVar[Mapping[str, str]] = {}
    small: ClassVar[Mapping[str, int | tuple[int, ...]]] = {}
    """Sizes at which the family is still itself, and quick; a tuple is cut to the length that there is."""
    default_task: ClassVar[str] = "representation"

    def build(self, graph: GraphBuilder) -> Backbone:
        """Add the family's nodes to ``graph``."""
        raise TypeError(f"{type(self).__name__} builds no graph")

    def foreign_names(self) -> Mapping[str, NameTable]:
        """What others call this family's weights, by source, such as ``transformers``; none by default."""
        return {}

    @model_validator(mode="before")
    @classmethod
    def _fill_slots(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        values = dict(given)
        for slot, fills in cls.slots.items():
            block = values.get(slot, {})
            if isinstance(block, str):
                block = {"kind": block}
            if isinstance(block, Block):
                block = {name: getattr(block, name) for name in type(block).model_fields}
            if isinstance(block, dict):
                values[slot] = cls._filled(values, {"kind": cls.slot_kinds[slot], **block}, fills)
        return values

    @classmethod
    def _filled(
        cls, values: dict[str, object], block: dict[str, object], fills: Mapping[str, str]
    ) -> dict[str, object]:
        kind = block["kind"]
        found = classes(Block).get(kind) if isinstance(kind, str) else None
        if found is None:
            return block
        for flat, field in fills.items():
            if field in block:
                values[flat] = block[field]
            elif field in found.model_fields:
                block[field] = values.get(flat, cls.model_fields[flat].default)
            else:
                values.pop(flat, None)
        for name in cls.slot_defaults:
            if name in found.model_fields and name not in block:
                block[name] = values.get(name, cls.model_fields[name].default)
        return block
