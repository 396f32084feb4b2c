"""Blocks drawn by hypothesis: their kinds from the registry, their values from the types of their fields.

So a new block that has the role of a slot is drawn as soon as it is registered. What no type can say, such as that
heads divide a width, is in ``RULES``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic.fields import FieldInfo

from zoo_spec.base import Spec
from zoo_spec.blocks.activation import Activation, ActivationKind
from zoo_spec.blocks.base import Block
from zoo_spec.blocks.layer import Layer
from zoo_spec.blocks.position import Position, QueryKeyPosition
from zoo_spec.initializers import Constant, Ones, Zeros
from zoo_spec.registry import Registered, classes

Mapping = dict[str, Any]
"""A block as a spec file writes it."""


@dataclass(frozen=True)
class Surroundings:
    """Where a block stands, as far as its values depend on it.

    ``width`` of the vectors, at most ``length`` of them in a row; ``heads`` divide the width. ``apart``: rows may be
    packed. ``over_time``: norms may normalise each channel along the row, which wipes out a bias in front of them.
    ``grid`` of patches behind a class token, where the row is an image.
    """

    width: int = 12
    length: int = 12
    heads: int = 2
    apart: bool = False
    masks: tuple[str, ...] = ("bidirectional", "causal")
    over_time: bool = False
    grid: tuple[int, int] | None = None

    def of_width(self, width: int) -> Surroundings:
        """The same with vectors of another width."""
        return replace(self, width=width)


def one_of(*values: Any) -> Callable[[Surroundings], SearchStrategy]:
    return lambda place: st.sampled_from(values)


def _table_size(place: Surroundings) -> SearchStrategy:
    return st.sampled_from((place.length, place.length + 3))


def _divisors(place: Surroundings) -> SearchStrategy:
    return st.sampled_from([size for size in range(1, place.width) if place.width % size == 0])


# By kind or role and field, or by field alone. Whatever is not here is drawn by the type of the field.
RULES: dict[str, Callable[[Surroundings], SearchStrategy]] = {
    "epsilon": one_of(1e-5, 1e-3),
    "num_layers": one_of(1, 2),
    "num_heads": lambda place: st.just(place.heads),
    "head_size": one_of(2, 3),
    "mask": lambda place: st.sampled_from(place.masks),
    "window": one_of(2, 3, 7),
    "groups": _divisors,
    "length": _table_size,
    "rows": one_of(31, 50),
    "position.size": _table_size,
    "attention.size": one_of(2, 3),
    "feed_forward.size": one_of(8, 11),
    "convolutional_position.size": one_of(1, 2, 3, 4),
    "rotary.dims": lambda place: st.sampled_from((None, *range(2, place.width // place.heads + 1, 2))),
    "rotary.base": one_of(100.0, 10000.0),
    "num_buckets": one_of(4, 6, 10),
    "max_distance": one_of(6, 20),
    "grid": lambda place: st.just(place.grid),
    "learned_grid": one_of((2, 2), (3, 2), (4, 5)),
    "temperature": one_of(0.1, 1.0),
    "conv1d.channels": lambda place: st.just(place.width),
    "conv1d.size": one_of(1, 2, 3),
    "conv1d.stride": one_of(1, 2),
    "pattern": lambda place: st.lists(drawn(Layer, place), min_size=1, max_size=2).map(tuple),
}


def fitting(role: type[Registered], place: Surroundings) -> list[type[Registered]]:
    """The classes of a role that may stand in a slot of it: they ask for no port that the slot does not feed."""

    def fits(cls: type[Registered]) -> bool:
        if not issubclass(cls, Block):
            return True
        assert issubclass(role, Block)
        if set(cls.required) != set(role.required):
            return False
        if role is Position and issubclass(cls, QueryKeyPosition):
            return False
        if "grid" in cls.model_fields and place.grid is None:
            return False
        if cls.role == "norm":
            return cls.keeps_examples_apart or place.over_time
        return drawable(cls, place)

    return [cls for cls in classes(role).values() if fits(cls)]


def drawable(cls: type[Block], place: Surroundings) -> bool:
    """Whether the block, with something in each of its slots, keeps packed examples apart where that is asked."""
    slots = [field.annotation for field in cls.model_fields.values() if field.is_required()]
    filled = all(
        fitting(slot, place) for slot in slots if isinstance(slot, type) and issubclass(slot, Registered)
    )
    return filled and (cls.keeps_examples_apart or not place.apart)


@st.composite
def drawn(draw: DrawFn, role: type[Registered] | str, place: Surroundings, **given: Any) -> Mapping:
    """A block of a role, or of a kind; ``given`` are values of fields that it has."""
    cls = classes(Block)[role] if isinstance(role, str) else draw(st.sampled_from(fitting(role, place)))
    values: Mapping = {"kind": cls.model_fields["kind"].default}
    for name, field in cls.model_fields.items():
        if name in given:
            values[name] = given[name]
        elif name != "kind":
            values.update(draw(_field(cls, name, field, place)))
    return values


@st.composite
def _field(draw: DrawFn, cls: type[Registered], name: str, field: FieldInfo, place: Surroundings) -> Mapping:
    """The field's value by its name; nothing where it is left out, and so has its default."""
    kind = cls.model_fields["kind"].default
    for key in (f"{kind}.{name}", f"{cls.role}.{name}", name):
        if key in RULES:
            return {name: draw(RULES[key](place))}
    if not field.is_required() and draw(st.booleans()):
        return {}
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return {name: draw(_of_type(annotation, place, f"{kind}.{name}"))}


def _of_type(annotation: Any, place: Surroundings, where: str) -> SearchStrategy:
    """Values of a field's type; a type that is not known here fails, lest a field be left undrawn."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if _is_activation(annotation):
        return st.sampled_from(sorted(classes(Activation)))
    if origin is Annotated:
        limits = _limits(arguments[1:])
        if arguments[0] in _NUMBERS:
            return st.sampled_from([value for value in _NUMBERS[arguments[0]] if _within(value, limits)])
        least = [each.min_length for each in limits if isinstance(each, MinLen)]
        if least:
            item = get_args(arguments[0])[0]
            return st.lists(_of_type(item, place, where), min_size=least[0], max_size=2).map(tuple)
        return _of_type(arguments[0], place, where)
    if annotation in _NUMBERS:
        return st.sampled_from(_NUMBERS[annotation])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([_of_type(each, place, where) for each in arguments if each not in _ALL_ALIKE])
    if origin is tuple:
        return st.tuples(*(_of_type(each, place, where) for each in arguments))
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if isinstance(annotation, type) and issubclass(annotation, Registered):
        return drawn(annotation, place)
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return _plain(annotation, place)
    raise TypeError(f"no values are known for {where}, {annotation}; add a rule for it to RULES")


@st.composite
def _plain(draw: DrawFn, cls: type[Spec], place: Surroundings) -> Mapping:
    """An initializer, or any other spec that is not registered."""
    values: Mapping = {"kind": cls.model_fields["kind"].default}
    for name, field in cls.model_fields.items():
        if name != "kind" and (field.is_required() or draw(st.booleans())):
            annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            values[name] = draw(_of_type(annotation, place, f"{cls.__name__}.{name}"))
    return values


_ALL_ALIKE = (Zeros, Ones, Constant)
"""Initial values from which training would not start."""


def _is_activation(annotation: Any) -> bool:
    check = get_args(ActivationKind)[1]
    return get_origin(annotation) is Annotated and check in get_args(annotation)[1:]


def _limits(metadata: tuple[Any, ...]) -> list[Any]:
    """What a type's annotations ask for, those of a nested field too."""
    return [
        limit for each in metadata for limit in (each.metadata if isinstance(each, FieldInfo) else [each])
    ]


def _within(value: float, limits: list[Any]) -> bool:
    checks = {Gt: "gt", Ge: "ge", Lt: "lt", Le: "le"}
    return all(
        getattr(operator, name)(value, getattr(limit, name))
        for limit in limits
        for kind, name in checks.items()
        if isinstance(limit, kind)
    )


_NUMBERS: dict[type, tuple[Any, ...]] = {float: (0.5, 0.1, 0.0, 1.0, 1.5), int: (2, 1, 3, 0)}
