"""What a user's model gives, whatever its structure, as named tensors, and a batch's as a row an example."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

from zoo_common.backend import Array
from zoo_common.log import LOG
from zoo_spec.errors import InputError

T = TypeVar("T")
Kinds: TypeAlias = type[T] | tuple[type[T], ...]
OUTPUT = "output"
"""What a model's only output is called."""


class Rows(Generic[T]):
    """Predictions of batch after batch; which of a model's outputs have a row an example, the first batch says."""

    def __init__(self, title: str, kind: Kinds[T], read: Callable[[T], Array]) -> None:
        self._title = title
        self._kind = kind
        self._read = read
        self._names: tuple[str, ...] = ()

    def of(self, outputs: object, count: int) -> Iterator[dict[str, Array]]:
        """A batch's rows. Outputs that have none (a loss, a cache, None) are left out, and named once.

        Raises InputError where no output has any, and where one that had them in the first batch has none now.
        """
        found = tensors_in(outputs, self._kind)
        whole = {name: value for name, value in found.items() if shape_of(value)[:1] == (count,)}
        if not self._names:
            self._choose(outputs, found, whole, count)
        missing = [name for name in self._names if name not in whole]
        if missing:
            raise InputError(
                f"{self._title} gave {', '.join(missing)} for each example of the first batch, and now, for "
                f"{count} examples, {_listed(outputs, found)}"
            )
        arrays = {name: self._read(whole[name]) for name in self._names}
        for index in range(count):
            yield {name: array[index] for name, array in arrays.items()}

    def _choose(self, outputs: object, found: Mapping[str, T], whole: Mapping[str, T], count: int) -> None:
        if not whole:
            raise InputError(
                f"no output of {self._title} has a row for each of the {count} examples: it gives "
                f"{_listed(outputs, found)}; have the batch come first"
            )
        self._names = tuple(whole)
        left = {name: value for name, value in leaves(outputs, self._kind).items() if name not in whole}
        shown = [
            f"{name} ({_met(value)})"
            for name, value in left.items()
            if value is not None and shape_of(value) != ()
        ]
        if shown:
            LOG.info(
                f"{self._title}: predictions are {', '.join(whole)}; without a row an example: {', '.join(shown)}"
            )


def tensors_in(outputs: object, kind: Kinds[T]) -> dict[str, T]:
    """The tensors of this kind by name, however they are nested."""
    return {name: value for name, value in leaves(outputs, kind).items() if isinstance(value, kind)}


def leaves(outputs: object, kind: Kinds[T]) -> dict[str, object]:
    """Everything that is no structure, by name: keys and fields, or numbers, joined by dots.

    Mappings, tuples, lists, named tuples and data classes are structures; at the top any object is, by its
    attributes. One output alone is called ``output``.
    """
    parts = _parts(outputs)
    if parts is None and not isinstance(outputs, kind) and hasattr(outputs, "__dict__"):
        parts = {name: value for name, value in vars(outputs).items() if not name.startswith("_")}
    if isinstance(outputs, kind) or parts is None:
        return {OUTPUT: outputs}
    start = OUTPUT if isinstance(outputs, tuple | list) and not hasattr(outputs, "_fields") else ""
    return dict(_walk(parts, start, kind))


def field_of(outputs: object, name: str) -> object:
    """What outputs of any structure have under this name at the top; None if nothing."""
    return outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None)


def shape_of(value: object) -> tuple[int, ...]:
    """A tensor's shape; that of a scalar for what has none."""
    return tuple(getattr(value, "shape", ()))


def _walk(parts: Mapping[str, object], path: str, kind: Kinds[T]) -> Iterator[tuple[str, object]]:
    for name, value in parts.items():
        where = f"{path}.{name}" if path else name
        inner = None if isinstance(value, kind) else _parts(value)
        if inner is None:
            yield where, value
        else:
            yield from _walk(inner, where, kind)


def _parts(value: object) -> dict[str, object] | None:
    """A structure's parts by name; None for what is none."""
    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, tuple | list):
        return {str(index): inner for index, inner in enumerate(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _met(value: object) -> str:
    return str(list(shape_of(value))) if hasattr(value, "shape") else type(value).__name__


def _listed(outputs: object, found: Mapping[str, T]) -> str:
    if not found:
        return f"{type(outputs).__name__}, which holds no tensor"
    return ", ".join(f"{name} {list(shape_of(value))}" for name, value in found.items())
