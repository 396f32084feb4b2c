"""What every family declares: its fields, the slots that they fill, and the graph that it builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ValidationInfo, model_validator

from zoo_spec.base import PositiveInt
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.norm import Norm
from zoo_spec.blocks.tied_dense import TiedDense
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.foreign.names import NameTable
from zoo_spec.graph import GraphBuilder, Ref
from zoo_spec.initializers import Initializer
from zoo_spec.registry import Registered, class_of


def _divides_width(num_heads: int, info: ValidationInfo) -> int:
    hidden_size = info.data.get("hidden_size")
    if isinstance(hidden_size, int) and hidden_size % num_heads:
        raise ValueError(f"hidden_size {hidden_size} is not a multiple of num_heads {num_heads}")
    return num_heads


HeadCount = Annotated[PositiveInt, AfterValidator(_divides_width)]
"""Number of attention heads, which divides the field ``hidden_size`` before it."""


@dataclass(frozen=True)
class Backbone:
    """What a family offers to the tasks; a task that needs what is missing does not fit it.

    ``hidden_states [batch, sequence, hidden]``; ``table``, the token embedding; ``pooled`` and ``features``
    ``[batch, features]`` are made when a task first asks; ``norm`` and ``activation`` are the family's own,
    for heads that repeat them. ``feature_map [batch, height, width, channels]`` has a vector for each pixel.
    ``output`` is what gives a score to every token of the vocabulary, where the
    family has its own; else a language model's head is the table, without a bias. ``output_scale`` multiplies
    what goes into it. ``decoder_states [batch, target_sequence, hidden]`` are those of a second sequence, which
    reads the first; they, too, are made when a task first asks. ``frame_ids [batch, frames]`` is 0 where a
    frame of a waveform is padding. ``is_decoder``: each position sees those before it alone, whatever the spec.
    """

    initializer: Initializer
    hidden_states: Ref | None = None
    table: Ref | None = None
    output: Dense | TiedDense | None = None
    output_scale: float = 1.0
    decoder_states: Callable[[], Ref] | None = None
    feature_map: Ref | None = None
    pooled: Callable[[], Ref] | None = None
    features: Callable[[], Ref] | None = None
    norm: Norm | None = None
    activation: str | None = None
    dropout: float = 0.0
    frame_ids: Ref | None = None
    is_decoder: bool = False


class Model(Registered):
    """A family of architectures.

    ``slots`` says which flat field fills which field of the block in a slot: ``{slot: {flat: field}}``. A
    slot's mapping may leave out what a flat field gives; what it states itself wins, and the flat field then
    shows the same value. ``slot_defaults`` are flat fields that a block takes over wherever it has a field of
    that name and does not state it. ``slot_kinds`` is the kind that stands in a slot where none is named.
    ``slot_values`` are what the family's own blocks have there, unless the slot states something else:
    ``{slot: {field: value}}``.
    """

    role: ClassVar[str] = "model"
    shipped_in: ClassVar[str] = "zoo_spec.models"
    slots: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    slot_defaults: ClassVar[tuple[str, ...]] = ()
    slot_kinds: ClassVar[Mapping[str, str]] = {}
    slot_values: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    small: ClassVar[Mapping[str, int | tuple[int, ...]]] = {}
    """Sizes at which the family is still itself, and quick; a tuple is cut to the length that there is, and
    ``slot.field`` is a field of the block in a slot, where it has one."""
    default_task: ClassVar[str] = "representation"
    domain: ClassVar[str] = ""
    """``vision``, ``language``, ``speech`` or ``multimodal``."""
    use: ClassVar[str] = ""
    """What the family is for, unless its task says otherwise: ``representation`` or ``downstream task``."""
    paper: ClassVar[str] = ""
    """The paper's title."""
    year: ClassVar[str] = ""
    """When it came out."""
    code: ClassVar[str] = ""
    """Where the authors' code is, if they published any."""
    weights: ClassVar[str] = ""
    """Where the published weights are, if there are any."""

    def build(self, graph: GraphBuilder) -> Backbone:
        """Add the family's nodes to ``graph``."""
        raise TypeError(f"{type(self).__name__} builds no graph")

    def foreign_names(self) -> Mapping[str, NameTable]:
        """What others call this family's weights, by source, such as ``transformers``; none by default."""
        return {}

    @classmethod
    def foreign_configs(cls) -> Mapping[str, ConfigTable]:
        """What the configurations that others publish with this family's weights say, by source; none by default."""
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
                block = {"kind": cls.slot_kinds[slot], **block}
                values[slot] = cls._filled(values, block, fills, cls.slot_values.get(slot, {}))
        return values

    @classmethod
    def _filled(
        cls,
        values: dict[str, object],
        block: dict[str, object],
        fills: Mapping[str, str],
        own: Mapping[str, object],
    ) -> dict[str, object]:
        kind = block["kind"]
        found = class_of(Block, kind) if isinstance(kind, str) else None
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
        for name, value in own.items():
            if name in found.model_fields:
                block.setdefault(name, value)
        return block
